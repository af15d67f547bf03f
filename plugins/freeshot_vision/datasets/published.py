"""What all published data sets share: find the files, list them by class, take one split of the classes."""

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
    """A data set in the files of its publisher, under its own name in the data folder."""

    fit: Literal["square", "centre"] = "square"
    """How pictures become square: 'square' squeezes them, as in LoRA Recycle; 'centre' cuts, as CLIP's evaluation."""
    split_file: str = ""
    """A split of your own in the data folder, CSV (label,split) or JSON; empty takes the shipped one."""

    title: ClassVar[str] = ""
    publisher: ClassVar[str] = ""
    """Where to get it."""
    split_source: ClassVar[str] = NOVEL_ONLY
    """Whose split of the classes it is."""
    count: ClassVar[int] = 0
    """How many classes it has."""

    @classmethod
    @abstractmethod
    def parts(cls) -> tuple[Part, ...]:
        """Return what its publisher ships."""

    @abstractmethod
    def members(self, root: Path) -> Mapping[str, Sequence[Path]]:
        """Return the picture files of each class; `root` is the user's data folder."""

    def load(self, split: str, root: Path) -> Images:
        """Return one split; DataError where files are missing, or where the split has no class."""
        from freeshot.data.images import images_of

        members = self.members(root)
        self.require_all(members)
        classes = self._classes(split, root, members)
        return images_of(members, classes, self.memory(root), self.fit)

    def sizes(self) -> Mapping[str, int]:
        """Return how many classes each split has."""
        from freeshot.data.splits import NAMES

        if self.split_file:
            return {}
        split = self.shipped()
        return {name: len(split.of(name)) for name in NAMES} if split else {"novel": self.count}

    def there(self, root: Path) -> bool:
        """Say whether all parts are in the data folder."""
        return all(part.is_there(root / self.name) for part in self.parts())

    def verify(self, root: Path) -> Sequence[str]:
        """Compare what is there with the publisher's checksums."""
        return [sentence for part in self.parts() for sentence in part.verified(root / self.name)]

    def split(self, root: Path, classes: Iterable[str]) -> Split:
        """Return the split of the `classes` found: the user's, the shipped one, or all of them as novel ones."""
        from freeshot.data.splits import Split, read_split

        if self.split_file:
            return read_split(root / self.split_file)
        return self.shipped() or Split(novel=tuple(sorted(classes)))

    def shipped(self) -> Split | None:
        """Return the split that comes with FreeShot, if one does."""
        return shipped_split(self.name)

    def place(self, root: Path, number: int = 0) -> Path:
        """Return where a part lies; DataError says what to put where."""
        return self.places(root, number)[0]

    def places(self, root: Path, number: int = 0) -> list[Path]:
        """Return where a part that comes in pieces lies."""
        part = self.parts()[number]
        if found := part.places(root / self.name):
            return found
        raise DataError(
            f"{self.title} was not found under {root / self.name}. Put {part.words} there, from {self.publisher}."
        )

    def memory(self, root: Path) -> Path:
        """Say where hashes of its files are remembered."""
        return root / ".freeshot" / "hashes" / f"{self.name}.json"

    def require_all(self, members: Mapping[str, object]) -> None:
        """Refuse a copy that has fewer or more classes than the publisher's."""
        if len(members) != self.count:
            raise DataError(f"{self.title} has {self.count} classes, but {len(members)} were found. Unpack it again.")

    def asked(self, split: str, chosen: Split) -> tuple[str, ...]:
        """Return the classes of one part; DataError where it has none."""
        classes = chosen.of(split)
        if not classes:
            present = [name for name in ("base", "validation", "novel") if chosen.of(name)]
            raise DataError(
                f"'{self.name}' has no {split} classes: its split has only {' and '.join(present)} ones. "
                "Give it a split of your own with the option split_file."
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
    """Read a split that is shipped, and compare it with its hash."""
    import json

    from freeshot.data.splits import read_split

    path = SPLITS / f"{name}.json"
    if not path.exists():
        return None
    frozen = json.loads((SPLITS / "sha256.json").read_text(encoding="utf-8"))
    if hashlib.sha256(path.read_bytes()).hexdigest() != frozen.get(name):
        raise DataError(f"The split list {path} has been changed. Install FreeShot again, or use split_file instead.")
    return read_split(path)
