"""The parts of a published data set: folders or files, unpacked by the user or still in their archive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from freeshot.basics.errors import DataError
from freeshot.data.archives import unpack
from freeshot.data.hash_cache import checksum

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNPACKED = "unpacked"
"""Folder for unpacked archives, next to the archives."""


@dataclass(frozen=True)
class Part:
    """One part of a release; it is present if any of its marks exists."""

    marks: tuple[str, ...]
    """Paths within the data set's folder, the usual one first."""
    archives: Mapping[str, str] = field(default_factory=dict)
    """Names of archives that contain it → MD5, or '' if the publisher's is unknown."""
    plain: bool = False
    """Whether the 'archives' are plain files, such as a table of labels."""

    @property
    def words(self) -> str:
        """Describe the files to provide."""
        names = list(self.archives)
        listed = f"'{names[0]}' … '{names[-1]}'" if len(names) > 3 else " or ".join(f"'{name}'" for name in names)
        if not names:
            return f"the folder '{self.marks[0]}'"
        if self.plain:
            return listed
        return f"the archive{'s' if len(names) > 3 else ''} {listed} or the folder '{self.marks[0]}'"

    def is_there(self, folder: Path) -> bool:
        """Return whether it can be opened, without unpacking anything."""
        return bool(self._marked(folder)) or any((folder / name).is_file() for name in self.archives)

    def places(self, folder: Path) -> list[Path]:
        """Return its locations, unpacking archives if necessary; empty if it is missing."""
        if direct := self._marked(folder):
            return direct[:1]
        if self.plain:
            return [folder / name for name in self.archives if (folder / name).is_file()][:1]
        return [place for name in self.archives for place in self._inside(folder, name)]

    def verified(self, folder: Path) -> Iterator[str]:
        """Compare existing archives with the publisher's checksums."""
        for name, expected in self.archives.items():
            if not (folder / name).is_file():
                continue
            found = checksum(folder / name) if expected else ""
            if found != expected:
                yield f"{name} does not have its publisher's MD5 ({found}, expected {expected}). Download it again."
            elif expected:
                yield f"{name} has its publisher's MD5 ({found})."

    def _inside(self, folder: Path, name: str) -> list[Path]:
        target = folder / UNPACKED / name.partition(".")[0]
        if not target.is_dir():
            if not (folder / name).is_file():
                return []
            unpack(folder / name, target)
        places = self._marked(target)
        if not places:
            raise DataError(f"{folder / name} has no '{self.marks[0]}'. Download it again, or fix its folder.")
        return places[:1]

    def _marked(self, folder: Path) -> list[Path]:
        return [folder / mark for mark in self.marks if (folder / mark).exists()]
