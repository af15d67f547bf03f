"""Base class of published data sets: find the files, list them by class, select one split."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from freeshot import FewShotDataset, Images, RemoteFile
from freeshot.basics.errors import DataError
from freeshot_vision.datasets.downloads import Download

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from freeshot.data.splits import Split

SPLITS = Path(__file__).parent / "splits"
NOVEL_ONLY = "all classes are novel"


@dataclass(frozen=True)
class PublishedDataset(FewShotDataset):
    """A data set in its publisher's files, in a folder of its own name in the data folder."""

    fit: Literal["square", "centre"] = "square"
    """How images become square: 'square' changes the aspect ratio, as in LoRA Recycle; 'centre' crops, as in CLIP's
    evaluation."""
    split_file: str = ""
    """Your own split file in the data folder, CSV (label,split) or JSON; empty uses the shipped one."""

    title: ClassVar[str] = ""
    publisher: ClassVar[str] = ""
    """Where to download it."""
    downloads: ClassVar[tuple[Download, ...]] = ()
    """Everything that the release consists of; the images come first."""
    split_source: ClassVar[str] = NOVEL_ONLY
    """Source of the split."""
    count: ClassVar[int] = 0
    """Number of classes."""
    side: ClassVar[int] = 0
    """Shorter side of its images in pixels, if all have the same: an enlarged or reduced copy is refused; 0: any."""
    copy_of: ClassVar[str] = ""
    """Data set of which it is a subset or a reduced copy, with the same split."""

    def members(self, root: Path) -> Mapping[str, Sequence[Path]]:
        """Return the image files of each class, by default class folders; `root` is the user's data folder."""
        from freeshot.data.image_folder import classes_in

        return classes_in(self.path(root))

    def default_split(self, root: Path, classes: Iterable[str]) -> Split:
        """Return the split that a `split_file` replaces: the shipped one, or all of `classes` as novel ones."""
        from freeshot.data.splits import Split

        return shipped_split(self.copy_of or self.name) or Split(novel=tuple(sorted(classes)))

    def default_counts(self) -> Mapping[str, int]:
        """Return the number of classes of each part of the default split."""
        from freeshot.data.splits import NAMES

        split = shipped_split(self.copy_of or self.name)
        return {name: len(split.of(name)) for name in NAMES} if split else {"novel": self.count}

    def load(self, split: str, root: Path) -> Images:
        """Return one split; DataError if files are missing, or if the split has no class."""
        from freeshot.data.images import images_of

        members = self.members(root)
        self._require_side(next(iter(members.values()), ()))
        classes = self.checked_classes(split, root, members)
        return images_of(members, classes, root / ".freeshot" / "hashes" / f"{self.name}.json", self.fit)

    def _require_side(self, files: Sequence[Path]) -> None:
        """Refuse a copy whose first image has another size than the publisher's."""
        from freeshot.data.decode import picture_size

        if self.side and files and min(size := picture_size(files[0])) != self.side:
            raise DataError(
                f"{files[0]} has {size[0]} × {size[1]} pixels, but the shorter side of all images of '{self.name}' has "
                f"{self.side}. Put the publisher's files there; a copy of another size is another data set."
            )

    def class_counts(self) -> Mapping[str, int]:
        """Return the number of classes of each split."""
        return {} if self.split_file else self.default_counts()

    def is_available(self, root: Path) -> bool:
        """Return whether all downloads are in the data folder."""
        return all(download.is_available(root / self.name) for download in self.downloads)

    def remote_files(self) -> Sequence[RemoteFile]:
        """Return the archives that publishers offer; empty unless together they are the whole release."""
        if not all(download.offered for download in self.downloads):
            return ()
        return [
            RemoteFile(address, archive, download.archives[archive])
            for download in self.downloads
            for archive, address in download.offered.items()
        ]

    def verify(self, root: Path) -> Sequence[str]:
        """Compare existing archives with the publisher's checksums."""
        return [sentence for download in self.downloads for sentence in download.verify(root / self.name)]

    def path(self, root: Path, number: int = 0) -> Path:
        """Return the location of a download; DataError states the files to provide."""
        return self.paths(root, number)[0]

    def paths(self, root: Path, number: int = 0) -> list[Path]:
        """Return the locations of a download that consists of several archives."""
        download, folder = self.downloads[number], root / self.name
        if located := download.locate(folder):
            return located
        raise DataError(
            f"{self.title} was not found in {folder}. Put {download.description} there, from {self.publisher}."
        )

    def classes_of(self, split: str, root: Path, members: Iterable[str]) -> tuple[Split, tuple[str, ...]]:
        """Return all splits, and the classes of one; DataError if it has none."""
        from freeshot.data.splits import NAMES, read_split

        splits = read_split(root / self.split_file) if self.split_file else self.default_split(root, members)
        classes = splits.of(split)
        if not classes:
            present = [name for name in NAMES if splits.of(name)]
            raise DataError(
                f"'{self.name}' has no {split} classes: its split has only {' and '.join(present)} ones. "
                "Set your own split with the option split_file."
            )
        return splits, classes

    def checked_classes(self, split: str, root: Path, members: Mapping[str, object]) -> tuple[str, ...]:
        """Return the classes of one split; DataError unless every class of the release has images."""
        from freeshot.data.splits import require_known

        if len(members) != self.count:
            raise DataError(f"{self.title} has {self.count} classes, but {len(members)} were found. Unpack it again.")
        splits, classes = self.classes_of(split, root, members)
        require_known(splits, members, f"The split of '{self.name}'", root / self.name)
        return classes


@cache
def shipped_split(name: str) -> Split | None:
    """Read a shipped split, and verify its hash."""
    import json

    from freeshot.data.splits import read_split

    path = SPLITS / f"{name}.json"
    if not path.exists():
        return None
    frozen = json.loads((SPLITS / "sha256.json").read_text(encoding="utf-8"))
    if hashlib.sha256(path.read_bytes()).hexdigest() != frozen.get(name):
        raise DataError(f"The split list {path} has been changed. Install FreeShot again, or use split_file instead.")
    return read_split(path)
