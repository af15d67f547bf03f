"""Fixtures and helpers shared by all tests."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest
from tests import cli_fork_server, memory_folder

if TYPE_CHECKING:
    from freeshot.contracts.method import Method
    from freeshot.contracts.pool import LoraPool
    from freeshot.engine import Backbone
    from freeshot.launch.plan import Plan
    from freeshot.launch.request import MethodChoice, RunRequest
    from freeshot.launch.runner import Outcome
    from freeshot.pipeline.workbench import Bench
    from freeshot.plugin.catalogue import Catalogue
    from freeshot.records.models import RunRecord

Install = Callable[..., None]
LONGEST = ("test_notebooks.py", "test_launchers.py", "test_pages.py", "test_fuzz.py")
"""Files with tests of many seconds, which would leave other workers idle at the end of a parallel run."""

HEAD = """
from dataclasses import dataclass
from freeshot import *
from freeshot import hookimpl
"""


def pytest_configure() -> None:
    """Keep temporary files in memory; let Ray's workers, of low priority by default, run at that of other tests."""
    memory_folder.use()
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - Ray's spelling


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests; the order within a file, which shares fixtures, stays."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_collection_finish() -> None:
    """Exclude imported modules from garbage collection, which would otherwise traverse torch again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the root of the source tree."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def _unset_freeshot_variables() -> None:
    """Unset FREESHOT_… variables, which would choose plugins and folders for the tests."""
    for name in [name for name in os.environ if name.startswith("FREESHOT_")]:
        del os.environ[name]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install one-module plugins for the duration of a test, as pip leaves them: a module and a .dist-info folder."""
    site = tmp_path / "site-packages"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def put(
        name: str,
        source: str,
        *,
        dist: str = "",
        version: str = "1.0",
        module: str = "",
        needs: str = "",
        editable: bool = False,
    ) -> None:
        module = module or f"fake_{name.replace('-', '_')}"
        dist = dist or f"freeshot-{name}"
        (site / f"{module}.py").write_text(HEAD + dedent(source), encoding="utf-8")
        folder = site / f"{dist.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        requires = f"Requires-Dist: {needs}\n" if needs else ""
        metadata = f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\n{requires}"
        (folder / "METADATA").write_text(metadata, encoding="utf-8")
        (folder / "entry_points.txt").write_text(f"[freeshot]\n{name} = {module}\n", encoding="utf-8")
        if editable:
            direct = '{"url": "file:///home/ann/mine", "dir_info": {"editable": true}}'
            (folder / "direct_url.json").write_text(direct, encoding="utf-8")

    yield put
    for loaded in [loaded for loaded in sys.modules if loaded.startswith("fake_")]:
        del sys.modules[loaded]


@pytest.fixture(scope="session")
def backbone() -> Backbone:
    """Return the toy network, opened once; tests must not change it."""
    from freeshot.engine import open_backbone
    from freeshot.testing.toy import ToyVit

    return open_backbone(ToyVit())


@pytest.fixture(scope="session")
def pool(backbone: Backbone) -> LoraPool:
    """Return the toy pool, opened once."""
    from freeshot.pool.store import open_pool
    from freeshot.testing.toy import POOL

    return open_pool(POOL, backbone.sha256)


@dataclass(frozen=True)
class Installed:
    """The command line of FreeShot in an environment with third-party distributions."""

    site: Path

    def __call__(self, *arguments: str) -> str:
        """Run a command that must succeed; return what it printed."""
        environment = os.environ | {"PYTHONPATH": str(self.site), "COLUMNS": "200", "NO_COLOR": "1"}
        command = [str(cli_fork_server.command_folder() / "freeshot"), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def pip_install(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Installed]:
    """Return a function that installs folders beside FreeShot with pip."""

    def put(*folders: Path) -> Installed:
        source, site = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
        copies = [str(shutil.copytree(folder, source / folder.name)) for folder in folders]  # pip builds in place
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
        options = ["--no-deps", "--no-build-isolation", "--target", str(site)]
        done = subprocess.run([*pip, *options, *copies], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return Installed(site)

    return put


TOY_TRACK = "toy/in-domain/2w1s"


@dataclass(frozen=True, eq=False)
class Toy:
    """The toy world with folders and a catalogue of its own."""

    folder: Path
    catalogue: Catalogue

    @property
    def results(self) -> Path:
        """Return the folder of records."""
        return self.folder / "results"

    @property
    def cache(self) -> Path:
        """Return the folder of artifacts, notes and locks."""
        return self.folder / "cache"

    def offer(self, **hooks: object) -> None:
        """Add a plugin whose hooks return these values: `offer(methods=[Mine])`."""
        from freeshot.plugin.host import PluginInfo

        name = f"stub-{len(self.catalogue.host.loaded)}"
        values = {f"freeshot_{hook}": value for hook, value in hooks.items()}
        self.catalogue.host.provide(PluginInfo(name, "freeshot-stub", "1.0"), **values)
        assert not [f for f in self.catalogue.host.failures if f.name == name]

    def request(self, *methods: str | MethodChoice, track: str = TOY_TRACK, **fields: Any) -> RunRequest:
        """Request methods on one toy track."""
        from freeshot.launch.request import RunRequest

        folders = {"results": self.results, "cache": self.cache, "data": self.folder / "data"}
        return RunRequest(**{"suite": "toy", "tracks": (track,), "methods": methods, **folders, **fields})

    def plan(self, *methods: str | MethodChoice, **fields: Any) -> Plan:
        """Plan those cells."""
        from freeshot.launch.plan import plan_run

        return plan_run(self.request(*methods, **fields), self.catalogue)

    def launch(self, *methods: str, **fields: Any) -> Outcome:
        """Plan and run those cells."""
        from freeshot.launch.runner import execute_plan

        request = self.request(*methods, **fields)
        return execute_plan(self.plan(*methods, **fields), request, self.catalogue)

    def record(self, method: str, **fields: Any) -> RunRecord:
        """Run one cell and read its record."""
        from freeshot.records.models import RunRecord
        from freeshot.records.store import record_path

        self.launch(method, **fields)
        (cell,) = self.plan(method, **fields).cells
        return RunRecord.read(record_path(self.results, cell.spec))

    def bench(self, method: Method, track: str = TOY_TRACK, seed: int = 0) -> Bench:
        """Return the workbench on which a method of the catalogue would prepare."""
        import torch

        from freeshot.pipeline.context import RunContext
        from freeshot.pipeline.workbench import Bench

        environment = RunContext(self.catalogue, self.cache, self.folder / "data", torch.device("cpu"))
        (cell,) = self.plan(method.name, track=track, seeds=(seed,)).cells
        return Bench(environment, cell, method)


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    """Return the toy world, in which nothing has run yet."""
    from freeshot.plugin.catalogue import Catalogue
    from freeshot.plugin.host import load_plugins

    return Toy(tmp_path, Catalogue(load_plugins()))
