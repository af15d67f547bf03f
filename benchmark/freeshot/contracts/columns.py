"""Extra columns of a leaderboard."""

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
