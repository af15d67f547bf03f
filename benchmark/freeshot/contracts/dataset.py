"""The interface of data sets."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from freeshot.contracts.component import Component

if TYPE_CHECKING:
    from pathlib import Path

    from freeshot.contracts.images import Images


@dataclass(frozen=True)
class FewShotDataset(Component):
    """Read labelled images whose classes are split into base, validation and novel.

    A data set never downloads; where files are missing it raises DataError and says what to put where.
    """

    kind: ClassVar[str] = "dataset"
    domain: ClassVar[str] = ""
    """Nature of the pictures in a word, such as 'drawings'."""
    license: ClassVar[str] = ""

    @abstractmethod
    def load(self, split: str, root: Path) -> Images:
        """Return one split: 'base', 'validation' or 'novel'; `root` is the user's data folder."""
