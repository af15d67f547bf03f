"""The wheel holds what it should, and the installed metadata is that of pyproject.toml."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import entry_points, version
from typing import TYPE_CHECKING

import pytest

import freeshot

if TYPE_CHECKING:
    from pathlib import Path

ROOTS = ("benchmark", "plugins", "baselines")
PACKAGES = {"freeshot", "freeshot_lora_recycle", "freeshot_lda", "freeshot_vision", "freeshot_baselines"}
REINSTALL = "An editable install freezes its metadata; run: pip install -e . --no-deps"
MEGABYTE = 10**6


def package_files(repository: Path) -> dict[str, Path]:
    """Return the name of each file of the packages in a wheel, with its path in the repository."""
    return {
        path.relative_to(repository / root).as_posix(): path
        for root in ROOTS
        for path in (repository / root).rglob("*")
        if path.is_file()
        and not {"__pycache__", "makers", "pool_files"} & {*path.parts}
        and path.suffix not in {".md", ".pyc"}
    }


def build(repository: Path, target: str, folder: Path) -> Path:
    """Build one distribution with hatchling, in this environment."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Return the files of the wheel with their sizes."""
    path = build(repository, "wheel", tmp_path_factory.mktemp("wheel"))
    with zipfile.ZipFile(path) as archive:
        return {entry.filename: entry.file_size for entry in archive.infolist()}


def test_the_installed_entry_points_are_those_of_pyproject(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ours = [point for point in entry_points(group="freeshot") if point.dist and point.dist.name == "freeshot"]
    assert {point.name: point.value for point in ours} == project["entry-points"]["freeshot"], REINSTALL
    scripts = [point for point in entry_points(group="console_scripts") if point.name == "freeshot"]
    assert {point.name: point.value for point in scripts} == project["scripts"], REINSTALL


def test_the_installed_version_is_that_of_the_sources() -> None:
    assert version("freeshot") == freeshot.__version__, REINSTALL


def test_the_wheel_holds_our_packages_and_nothing_beside_them(wheel: dict[str, int]) -> None:
    tops = {name.partition("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES


def test_the_wheel_holds_every_file_of_the_packages(repository: Path, wheel: dict[str, int]) -> None:
    assert {name for name in wheel if ".dist-info/" not in name} == set(package_files(repository))


def test_the_wheel_declares_its_types_and_carries_the_licence(wheel: dict[str, int]) -> None:
    assert "freeshot/py.typed" in wheel
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel)


def test_data_and_weights_stay_within_twenty_megabytes(wheel: dict[str, int]) -> None:
    data = {name: size for name, size in wheel.items() if not name.endswith(".py")}
    assert sum(data.values()) <= 20 * MEGABYTE, sorted(data.items(), key=lambda item: -item[1])[:10]


def test_the_source_distribution_holds_packages_and_tests(repository: Path, tmp_path: Path) -> None:
    with tarfile.open(build(repository, "sdist", tmp_path)) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    expected = {path.relative_to(repository).as_posix() for path in package_files(repository).values()}
    assert expected <= names
    assert {"pyproject.toml", "LICENSE", "README.md", "Makefile", "tests/example_plugin/pyproject.toml"} <= names
