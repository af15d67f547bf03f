"""What a publisher ships: a folder or file, unpacked by its user or still in the archive it came in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from freeshot.basics.errors import DataError
from freeshot.data.archives import unpack
from freeshot.data.checksums import checksum

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNPACKED = "unpacked"
"""Folder beside the archives that they are unpacked into."""


@dataclass(frozen=True)
class Part:
    """One part of a release; any of its marks shows that it is there."""

    marks: tuple[str, ...]
    """Paths inside of the data set's folder, the usual one first."""
    archives: Mapping[str, str] = field(default_factory=dict)
    """Names of archives that hold it → MD5, or '' where the publisher's is not known."""
    plain: bool = False
    """Whether the 'archives' are the files themselves, such as a table of labels."""

    @property
    def words(self) -> str:
        """Say what to put there."""
        names = list(self.archives)
        listed = f"'{names[0]}' … '{names[-1]}'" if len(names) > 3 else " or ".join(f"'{name}'" for name in names)
        if not names:
            return f"the folder '{self.marks[0]}'"
        if self.plain:
            return listed
        return f"the archive{'s' if len(names) > 3 else ''} {listed} or the folder '{self.marks[0]}'"

    def is_there(self, folder: Path) -> bool:
        """Say whether it can be opened, without unpacking anything."""
        return bool(self._marked(folder)) or any((folder / name).is_file() for name in self.archives)

    def places(self, folder: Path) -> list[Path]:
        """Return where it lies, its archives unpacked if need be; empty where it is not there."""
        if direct := self._marked(folder):
            return direct[:1]
        if self.plain:
            return [folder / name for name in self.archives if (folder / name).is_file()][:1]
        return [place for name in self.archives for place in self._inside(folder, name)]

    def verified(self, folder: Path) -> Iterator[str]:
        """Compare the archives that are there with the publisher's checksums."""
        for name, expected in self.archives.items():
            if not (folder / name).is_file():
                continue
            found = checksum(folder / name) if expected else ""
            if found != expected:
                yield f"{name} is not what its publisher ships (MD5 {found}, expected {expected}). Download it again."
            elif expected:
                yield f"{name} is what its publisher ships (MD5 {found})."

    def _inside(self, folder: Path, name: str) -> list[Path]:
        target = folder / UNPACKED / name.partition(".")[0]
        if not target.is_dir():
            if not (folder / name).is_file():
                return []
            unpack(folder / name, target)
        places = self._marked(target)
        if not places:
            raise DataError(f"{folder / name} holds no '{self.marks[0]}'. Download it again, or mend its folder.")
        return places[:1]

    def _marked(self, folder: Path) -> list[Path]:
        return [folder / mark for mark in self.marks if (folder / mark).exists()]
