"""The one stream of events that progress bars, trackers and profilers listen to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from freeshot.basics.failures import Failure


@dataclass(frozen=True)
class Event:
    """Something happened in a cell."""

    cell: str
    """Human name of the cell: 'track · method'; cells that differ in options or seed share it."""
    id: str = field(default="", kw_only=True)
    """Hash of the cell, as its record has it; empty where a pool is built."""


@dataclass(frozen=True)
class StageStarted(Event):
    """A stage begins; `total` steps are ahead, 0 if unknown."""

    stage: str
    total: int = 0


@dataclass(frozen=True)
class Progress(Event):
    """`done` of `total` steps of a stage are done."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class StageFinished(Event):
    """A stage ended after `seconds`; `cached` if its result was already there."""

    stage: str
    seconds: float
    cached: bool = False


@dataclass(frozen=True)
class CellFinished(Event):
    """A cell's record is written."""

    mean: float
    half_width: float


@dataclass(frozen=True)
class CellFailed(Event):
    """A cell failed; its record says why."""

    reason: str
    failure: Failure | None = None
    """The exception; None where the cell ended without one, as when its process was killed."""
    kept: str = ""
    """File that holds the whole traceback."""
    status: Literal["failed", "violated"] = "failed"
    """Violated: the method broke a rule of the protocol."""


@dataclass(frozen=True)
class CellSkipped(Event):
    """A cell was not run: already done, or the method does not fit the track."""

    reason: str
