"""A record names the versions and the checkout that it was made with."""

from __future__ import annotations

import datetime as dt
import subprocess
from importlib import metadata
from typing import TYPE_CHECKING

import pytest
import torch

from freeshot.records.provenance import PACKAGES, provenance
from freeshot.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

CPU = torch.device("cpu")


def git(*arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@b", "-c", "commit.gpgsign=false", "-c", "core.hooksPath="]
    return subprocess.run(["git", *identity, *arguments], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    git("init", "--quiet")
    (tmp_path / "code.py").write_text("1\n")
    git("add", "code.py")
    git("commit", "--quiet", "-m", "Start")
    return tmp_path


def test_versions_are_those_installed() -> None:
    made = provenance(CPU)
    assert made.freeshot == __version__
    assert made.packages == {name: metadata.version(name) for name in PACKAGES}


def test_the_time_is_utc() -> None:
    when = dt.datetime.fromisoformat(provenance(CPU).finished)
    assert when.utcoffset() == dt.timedelta(0)


def test_the_processor_is_named() -> None:
    assert provenance(CPU).device


def test_a_clean_checkout_is_named_by_its_commit(checkout: Path) -> None:
    made = provenance(CPU)
    assert (made.git_commit, made.git_dirty) == (git("rev-parse", "HEAD"), False)


def test_a_changed_file_makes_it_dirty(checkout: Path) -> None:
    (checkout / "code.py").write_text("2\n")
    assert provenance(CPU).git_dirty


def test_new_records_do_not_make_it_dirty(checkout: Path) -> None:
    (checkout / "results").mkdir()
    (checkout / "results" / "record.json").write_text("{}")
    assert provenance(CPU).git_dirty is False


def test_outside_of_a_checkout_no_commit_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    made = provenance(CPU)
    assert (made.git_commit, made.git_dirty) == (None, None)


def test_without_git_no_commit_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert provenance(CPU).git_commit is None
