"""Temporary files go to memory only where there is space for them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from tests import memory_folder


def test_a_folder_needs_space(tmp_path: Path) -> None:
    assert memory_folder.is_usable(tmp_path, space=0)
    assert not memory_folder.is_usable(tmp_path, space=2**62)
    assert not memory_folder.is_usable(tmp_path / "missing", space=0)


@pytest.mark.parametrize("space", [0, 2**62])
def test_temporary_files_go_where_there_is_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, space: int) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(memory_folder, "RAM", tmp_path)
    monkeypatch.setattr(memory_folder, "SPACE", space)
    monkeypatch.setattr(os, "environ", {"PATH": os.environ["PATH"]})
    memory_folder.use()
    assert (Path(tempfile.gettempdir()) == tmp_path) == (space == 0)


def test_a_folder_that_the_user_set_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    memory_folder.use()
    assert os.environ["TMPDIR"] == str(tmp_path)
