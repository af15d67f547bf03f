"""Base class of published data sets: find the files, list them by class, select one split."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from freeshot import FewShotDataset, Images
from freeshot.basics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from freeshot.data.splits import Split
    from freeshot_vision.datasets.parts import Part

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
    split_source: ClassVar[str] = NOVEL_ONLY
    """Source of the split."""
    count: ClassVar[int] = 0
    """Number of classes."""

    @classmethod
    @abstractmethod
    def parts(cls) -> tuple[Part, ...]:
        """Return the parts of the release."""

    @abstractmethod
    def members(self, root: Path) -> Mapping[str, Sequence[Path]]:
        """Return the image files of each class; `root` is the user's data folder."""

    def load(self, split: str, root: Path) -> Images:
        """Return one split; DataError if files are missing, or if the split has no class."""
        from freeshot.data.images import images_of

        members = self.members(root)
        self.require_all(members)
        classes = self._classes(split, root, members)
        return images_of(members, classes, self.memory(root), self.fit)

    def class_counts(self) -> Mapping[str, int]:
        """Return the number of classes of each split."""
        from freeshot.data.splits import NAMES

        if self.split_file:
            return {}
        split = self.shipped()
        return {name: len(split.of(name)) for name in NAMES} if split else {"novel": self.count}

    def is_available(self, root: Path) -> bool:
        """Return whether all parts are in the data folder."""
        return all(part.is_there(root / self.name) for part in self.parts())

    def verify(self, root: Path) -> Sequence[str]:
        """Compare existing archives with the publisher's checksums."""
        return [sentence for part in self.parts() for sentence in part.verified(root / self.name)]

    def split(self, root: Path, classes: Iterable[str]) -> Split:
        """Return the split of `classes`: the user's, the shipped one, or all as novel ones."""
        from freeshot.data.splits import Split, read_split

        if self.split_file:
            return read_split(root / self.split_file)
        return self.shipped() or Split(novel=tuple(sorted(classes)))

    def shipped(self) -> Split | None:
        """Return the split shipped with FreeShot, if there is one."""
        return shipped_split(self.name)

    def place(self, root: Path, number: int = 0) -> Path:
        """Return the location of a part; DataError lists the files to provide."""
        return self.places(root, number)[0]

    def places(self, root: Path, number: int = 0) -> list[Path]:
        """Return the locations of a part that consists of several folders."""
        part = self.parts()[number]
        if found := part.places(root / self.name):
            return found
        raise DataError(
            f"{self.title} was not found in {root / self.name}. Put {part.words} there, from {self.publisher}."
        )

    def memory(self, root: Path) -> Path:
        """Return the path of the cache of file hashes."""
        return root / ".freeshot" / "hashes" / f"{self.name}.json"

    def require_all(self, members: Mapping[str, object]) -> None:
        """Require the publisher's number of classes."""
        if len(members) != self.count:
            raise DataError(f"{self.title} has {self.count} classes, but {len(members)} were found. Unpack it again.")

    def asked(self, split: str, chosen: Split) -> tuple[str, ...]:
        """Return the classes of one split; DataError if it has none."""
        classes = chosen.of(split)
        if not classes:
            present = [name for name in ("base", "validation", "novel") if chosen.of(name)]
            raise DataError(
                f"'{self.name}' has no {split} classes: its split has only {' and '.join(present)} ones. "
                "Set your own split with the option split_file."
            )
        return classes

    def _classes(self, split: str, root: Path, members: Mapping[str, object]) -> tuple[str, ...]:
        from freeshot.data.splits import require_known

        chosen = self.split(root, members)
        classes = self.asked(split, chosen)
        require_known(chosen, members, f"The split of '{self.name}'", root / self.name)
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
