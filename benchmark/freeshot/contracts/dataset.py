"""The interface of data sets; method code cannot open them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar

from freeshot.basics.access_guard import require_access
from freeshot.contracts.component import Component

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from freeshot.contracts.images import Images


@dataclass(frozen=True)
class FewShotDataset(Component):
    """Read labelled images whose classes are split into base, validation and novel.

    A data set never downloads; if files are missing it raises DataError and names the file to provide and its folder.
    """

    kind: ClassVar[str] = "dataset"
    domain: ClassVar[str] = ""
    """Kind of images in one word, such as 'drawings'."""
    license: ClassVar[str] = ""

    def __init_subclass__(cls, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        if "load" in vars(cls):
            setattr(cls, "load", _guarded(vars(cls)["load"]))  # noqa: B010 - mypy rejects assignment to a method

    @abstractmethod
    def load(self, split: str, root: Path) -> Images:
        """Return one split: 'base', 'validation' or 'novel'; `root` is the user's data folder."""

    def class_counts(self) -> Mapping[str, int]:
        """Return the number of classes of each split, if it is available without the files."""
        return {}

    def is_available(self, root: Path) -> bool | None:
        """Return whether the files are in the user's data folder, without opening them; None if that needs opening."""
        return None

    def verify(self, root: Path) -> Sequence[str]:
        """Compare the publisher's checksums; return one sentence per file that has one."""
        return ()


def _guarded(load: Callable[..., Images]) -> Callable[..., Images]:
    @wraps(load)
    def guarded(self: FewShotDataset, split: str, root: Path) -> Images:
        require_access(f"The {split} classes of '{self.name}'")
        return load(self, split, root)

    return guarded
