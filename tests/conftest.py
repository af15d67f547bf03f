"""What all tests share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

Install = Callable[..., None]

HEAD = """
from dataclasses import dataclass
from freeshot import *
from freeshot import hookimpl
"""


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the root of the source tree."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def _forget_the_users_settings() -> None:
    """Drop FREESHOT_… variables, which would choose plugins and folders for the tests."""
    for name in [name for name in os.environ if name.startswith("FREESHOT_")]:
        del os.environ[name]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install one-module plugins for the length of a test, as pip leaves them: a module and a .dist-info folder."""
    site = tmp_path / "site-packages"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def put(name: str, source: str, *, dist: str = "", version: str = "1.0", module: str = "", needs: str = "") -> None:
        module = module or f"fake_{name.replace('-', '_')}"
        dist = dist or f"freeshot-{name}"
        (site / f"{module}.py").write_text(HEAD + dedent(source), encoding="utf-8")
        folder = site / f"{dist.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        requires = f"Requires-Dist: {needs}\n" if needs else ""
        metadata = f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\n{requires}"
        (folder / "METADATA").write_text(metadata, encoding="utf-8")
        (folder / "entry_points.txt").write_text(f"[freeshot]\n{name} = {module}\n", encoding="utf-8")

    yield put
    for loaded in [loaded for loaded in sys.modules if loaded.startswith("fake_")]:
        del sys.modules[loaded]
