"""Temporary files in memory: tests write some 100,000 small files and flush each, which takes minutes on a disk."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

RAM = Path("/dev/shm")  # noqa: S108 - tests make folders of their own in it
SPACE = 4 * 2**30
"""Free bytes from which on it is used; containers often have 64 MiB."""


def is_usable(folder: Path, space: int) -> bool:
    """Return whether a folder has space, can be written to, and may hold programs, which tests install and run."""
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        return False
    return shutil.disk_usage(folder).free >= space and not os.statvfs(folder).f_flag & os.ST_NOEXEC


def use() -> None:
    """Use it for temporary files of this process and of those that it starts, unless TMPDIR names another folder."""
    if "TMPDIR" not in os.environ and is_usable(RAM, SPACE):
        os.environ |= {"TMPDIR": str(RAM), "RAY_TMPDIR": tempfile.gettempdir()}  # Ray never removes its files
        tempfile.tempdir = None  # it is looked up again
