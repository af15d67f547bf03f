"""A plugin installed from a folder may change without a new version; its version in records and caches changes."""

from __future__ import annotations

import sys
from importlib.metadata import Distribution, EntryPoint
from typing import TYPE_CHECKING

import pytest

from freeshot.plugin.host import load_plugins
from freeshot.plugin.versions import exact_version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Install

WALKER = """
@dataclass(frozen=True)
class Walker(GradientMetaLearner):
    '''Walk towards a task.'''

    name = "walker"

    def loss(self, model, task):
        return {factor} * model.embed(task.support.images).sum()

@hookimpl
def freeshot_meta_learners():
    return [Walker]
"""


def version_of(name: str) -> str:
    return next(info.version for info in load_plugins().loaded if info.name == name)


def test_a_plugin_from_an_index_keeps_its_version(install: Install) -> None:
    install("walker", WALKER.format(factor=1), version="0.3")
    assert version_of("walker") == "0.3"


def test_an_edit_of_an_editable_plugin_is_another_version(install: Install, tmp_path: Path) -> None:
    install("walker", WALKER.format(factor=1), version="0.3", editable=True)
    file = tmp_path / "site-packages" / "fake_walker.py"
    source = file.read_text()
    first = version_of("walker")
    assert first.startswith("0.3+")
    file.write_text(source.replace("1 *", "2 *"))
    assert version_of("walker") != first
    file.write_text(source)
    assert version_of("walker") == first


def test_artifacts_of_edited_code_are_never_loaded_from_the_cache(install: Install, tmp_path: Path) -> None:
    """The version is part of the origin of a component, and the origin of the key of its artifacts."""
    from freeshot.pipeline.resolve import resolve_component
    from freeshot.plugin.catalogue import Catalogue

    recipes = []
    install("walker", WALKER.format(factor=1), editable=True)
    for edit in ("1 *", "2 *"):
        file = tmp_path / "site-packages" / "fake_walker.py"
        file.write_text(file.read_text().replace("1 *", edit))
        catalogue = Catalogue(load_plugins())
        recipes.append(resolve_component(catalogue, "meta-learner", "walker", {})[0].recipe())
    assert recipes[0] != recipes[1]


def package(site: Path, *, dist: str = "mine", direct: bool = True, version: str = "1.0") -> EntryPoint:
    """Write a package of two files as pip would, and return its entry point."""
    (site / "fake_pack").mkdir(parents=True)
    for name in ("__init__", "plugin", "losses"):
        (site / "fake_pack" / f"{name}.py").write_text("SCALE = 1\n")
    (site / "mine.dist-info").mkdir()
    (site / "mine.dist-info" / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\n")
    (site / "mine.dist-info" / "entry_points.txt").write_text("[freeshot]\nmine = fake_pack.plugin\n")
    if direct:
        (site / "mine.dist-info" / "direct_url.json").write_text("{}")
    (point,) = Distribution.at(site / "mine.dist-info").entry_points
    return point


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield tmp_path / "site"
    for name in [name for name in sys.modules if name.startswith("fake_")]:
        del sys.modules[name]


def test_the_files_beside_the_plugin_change_its_version(site: Path) -> None:
    point = package(site)
    point.load()
    before = exact_version(point)
    (site / "fake_pack" / "losses.py").write_text("SCALE = 2\n")
    assert exact_version(point) != before


def test_a_version_with_a_local_label_keeps_it(site: Path) -> None:
    point = package(site, version="1.0+lab")
    point.load()
    assert exact_version(point).startswith("1.0+lab.")


@pytest.mark.parametrize("case", [{"dist": "freeshot"}, {"direct": False}])
def test_our_own_plugins_and_those_of_an_index_keep_their_version(site: Path, case: dict[str, bool]) -> None:
    point = package(site, **case)  # type: ignore[arg-type]
    point.load()
    assert exact_version(point) == "1.0"
