"""Random damage to folders: files changed, removed, or replaced by something that is not a regular file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.soak.mutations import mutated

NAMES = ("a\nb", "\u202egnp.x", "-rf", "a b  c", "x" * 200, "ä\u0301", "[red]x", "..x", "con", "%s%n", "\udcff")
"""Unusual names of files."""
TARGETS = ("/etc/passwd", "/dev/zero", "/", "nowhere", "..", "../..", "/proc/self/mem")
"""Targets of links."""
HUGE = (6 * 2**30, 6 * 2**30, 6 * 2**30, 2**26)
"""Sizes of sparse files in bytes."""


class Folder:
    """A folder of valid files, and how it is damaged."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._good = {
            path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
        }

    def damage(self, rng: Random) -> None:
        """Restore it, and then damage it in one to three places."""
        self.restore()
        for _ in range(rng.randint(1, 3)):
            path = self.folder / rng.choice(list(self._good))
            rng.choice(DAMAGES)(path, self._good[path.relative_to(self.folder)], rng)

    def restore(self) -> None:
        """Restore all its files."""
        if self.folder.is_symlink() or self.folder.is_file():
            self.folder.unlink()
        shutil.rmtree(self.folder, ignore_errors=True)
        for name, content in self._good.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_bytes(content)


def _change(path: Path, good: bytes, rng: Random) -> None:
    if path.parent.is_dir() and not _odd(path):
        path.write_bytes(mutated(good, rng))


def _remove(path: Path, good: bytes, rng: Random) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _instead(make: Callable[[Path, Random], object]) -> Callable[[Path, bytes, Random], None]:
    def replaced(path: Path, good: bytes, rng: Random) -> None:
        if path.parent.is_dir():
            _remove(path, good, rng)
            make(path, rng)

    return replaced


def _huge(path: Path, rng: Random) -> None:
    with path.open("wb") as file:
        file.write(rng.choice((b"", b"[1", b"\x08\0\0\0\0\0\0\0{}      ", b"\x89PNG\r\n\x1a\n")))
        file.truncate(rng.choice(HUGE))


def _beside(path: Path, good: bytes, rng: Random) -> None:
    name = rng.choice(NAMES)
    other = path.parent / rng.choice((name, f"{name}{path.suffix}", f".{path.name}", path.with_suffix(".bin").name))
    if path.parent.is_dir() and not other.exists() and not other.is_symlink():
        rng.choice((Path.touch, os.mkdir, os.mkfifo))(other)


def _rename(path: Path, good: bytes, rng: Random) -> None:
    folder = rng.choice((path, path.parent))
    other = folder.with_name(rng.choice(NAMES) + rng.choice(("", path.suffix)))
    if folder.exists() and not other.exists():
        folder.rename(other)


def _deeper(path: Path, good: bytes, rng: Random) -> None:
    folder = path.parent
    for _ in range(rng.choice((1, 3, 60))):
        folder = folder / "deep"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / path.name).write_bytes(good)


def _odd(path: Path) -> bool:
    return path.is_symlink() or (path.exists() and not path.is_file())


def _irregular(path: Path, rng: Random) -> None:
    rng.choice((os.mkfifo, os.mkdir))(path)


DAMAGES = (
    *(_change, _change, _change, _remove, _beside, _rename, _deeper),
    _instead(lambda path, rng: path.symlink_to(rng.choice((*TARGETS, path.name)))),
    *(_instead(_irregular), _instead(_irregular), _instead(_huge)),
)
