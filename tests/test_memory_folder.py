"""Temporary files go to memory only where there is room for them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from tests import memory_folder


def test_a_folder_needs_room(tmp_path: Path) -> None:
    assert memory_folder.is_usable(tmp_path, room=0)
    assert not memory_folder.is_usable(tmp_path, room=2**62)
    assert not memory_folder.is_usable(tmp_path / "missing", room=0)


@pytest.mark.parametrize("room", [0, 2**62])
def test_temporary_files_go_where_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(memory_folder, "RAM", tmp_path)
    monkeypatch.setattr(memory_folder, "ROOM", room)
    monkeypatch.setattr(os, "environ", {"PATH": os.environ["PATH"]})
    memory_folder.use()
    assert (Path(tempfile.gettempdir()) == tmp_path) == (room == 0)


def test_a_folder_that_the_user_chose_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    memory_folder.use()
    assert os.environ["TMPDIR"] == str(tmp_path)
