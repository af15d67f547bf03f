"""Additions of plugins to leaderboards: columns, and accuracies reported in papers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from freeshot.records.models import RunRecord


@dataclass(frozen=True)
class Column:
    """A title, a function that reads a value from a record (None shows a dash), and which direction is better."""

    title: str
    from_record: Callable[[RunRecord], str | float | None]
    better: Literal["higher", "lower", "none"] = "none"


@dataclass(frozen=True)
class Published:
    """An accuracy on a track as reported in a paper; it is neither ranked nor compared with measured ones."""

    method: str
    """As the paper names it."""
    track: str
    """The track with the paper's setting: 'in-domain/cub/5w1s'."""
    mean: float
    """In 0…1."""
    half_width: float | None
    """Half-width of the interval in the paper, in 0…1; None if the paper gives none."""
    source: str
    """Paper and table: 'Hu et al., CVPR 2025, Table 2'."""

    def __post_init__(self) -> None:
        if not 0 <= self.mean <= 1 or (self.half_width is not None and not 0 <= self.half_width <= 1):
            raise ValueError(f"{self.method} on {self.track}: accuracies and half-widths must be in 0…1, not percent.")
        if not self.source.strip():
            raise ValueError(f"{self.method} on {self.track} has no source. Name the paper and the table.")

    @property
    def name(self) -> str:
        """A unique name: one source reports one accuracy of a method on a track."""
        return f"{self.method} on {self.track} by {self.source}"
