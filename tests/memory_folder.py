"""Temporary files in memory: tests write some 100,000 small files and flush each, for which a disk takes minutes."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

RAM = Path("/dev/shm")  # noqa: S108 - tests make folders of their own in it
ROOM = 4 * 2**30
"""Free bytes from which on it is used; containers often have 64 MiB."""


def is_usable(folder: Path, room: int) -> bool:
    """Return whether a folder has room, can be written to, and may hold programs, which tests install and run."""
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        return False
    return shutil.disk_usage(folder).free >= room and not os.statvfs(folder).f_flag & os.ST_NOEXEC


def use() -> None:
    """Make it the place of temporary files, of this process and those it starts, unless TMPDIR names another."""
    if "TMPDIR" not in os.environ and is_usable(RAM, ROOM):
        os.environ |= {"TMPDIR": str(RAM), "RAY_TMPDIR": tempfile.gettempdir()}  # Ray never removes its files
        tempfile.tempdir = None  # it is looked up again
