"""The downloads of a published data set: folders or files, unpacked by the user or still in their archive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from freeshot.basics.errors import DataError
from freeshot.data.archives import unpack
from freeshot.data.hash_cache import checksum

UNPACKED = "unpacked"
"""Folder for unpacked archives, next to the archives."""


@dataclass(frozen=True)
class Download:
    """A folder or file of a release, possibly packed into one or several archives."""

    paths: tuple[str, ...]
    """Where publishers and mirrors put it within the data set's folder, the usual path first; any of them suffices."""
    archives: Mapping[str, str] = field(default_factory=dict)
    """Names of archives that contain it → MD5, or '' if the publisher's is unknown."""
    plain: bool = False
    """Whether the 'archives' are plain files, such as a table of labels."""
    offered: Mapping[str, str] = field(default_factory=dict)
    """Archives that can be downloaded without registration → their address; enough of them for the whole download."""

    @property
    def description(self) -> str:
        """Describe the files to provide."""
        names = list(self.archives)
        if not names:
            return f"the folder '{self.paths[0]}'"
        several = len(names) > 3
        listed = f"'{names[0]}' … '{names[-1]}'" if several else " or ".join(f"'{name}'" for name in names)
        return listed if self.plain else f"the archive{'s' if several else ''} {listed} or the folder '{self.paths[0]}'"

    def is_available(self, folder: Path) -> bool:
        """Return whether it can be opened, without unpacking anything."""
        return bool(self._existing(folder)) or any((folder / name).is_file() for name in self.archives)

    def locate(self, folder: Path) -> list[Path]:
        """Return its locations, unpacking archives if necessary; empty if it is missing."""
        if existing := self._existing(folder):
            return existing[:1]
        archives = [folder / name for name in self.archives]
        if self.plain:
            return [file for file in archives if file.is_file()][:1]
        return [path for archive in archives if (path := self._within(archive))]

    def verify(self, folder: Path) -> Iterator[str]:
        """Compare existing archives with the publisher's checksums."""
        for name, expected in self.archives.items():
            if not expected or not (folder / name).is_file():
                continue
            actual = checksum(folder / name)
            if actual == expected:
                yield f"{name} has its publisher's MD5 ({actual})."
            else:
                yield f"{name} does not have its publisher's MD5 ({actual}, expected {expected}). Download it again."

    def _within(self, archive: Path) -> Path | None:
        """Return its location in an archive, unpacked here if it was not; None without the archive."""
        target = archive.parent / UNPACKED / archive.name.partition(".")[0]
        if not target.is_dir():
            if not archive.is_file():
                return None
            unpack(archive, target)
        existing = self._existing(target)
        if not existing:
            raise DataError(f"{archive} has no '{self.paths[0]}'. Download it again, or fix its folder.")
        return existing[0]

    def _existing(self, folder: Path) -> list[Path]:
        return [folder / path for path in self.paths if (folder / path).exists()]
