"""Events of a run, the single stream that progress bars, trackers and profilers subscribe to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from freeshot.basics.failures import Failure


@dataclass(frozen=True)
class Event:
    """Base class of events of a cell."""

    cell: str
    """Readable name of the cell: 'track · method'; cells that differ in options or seed share it."""
    id: str = field(default="", kw_only=True)
    """Hash of the cell, as in its record; empty while a pool is built."""


@dataclass(frozen=True)
class StageStarted(Event):
    """A stage starts; `total` is its number of steps, 0 if unknown."""

    stage: str
    total: int = 0


@dataclass(frozen=True)
class Progress(Event):
    """`done` of `total` steps of a stage are finished."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class StageFinished(Event):
    """A stage ended after `seconds`; `cached` if its result was loaded from the cache."""

    stage: str
    seconds: float
    cached: bool = False


@dataclass(frozen=True)
class CellFinished(Event):
    """A cell finished and its record was written."""

    mean: float
    half_width: float


@dataclass(frozen=True)
class CellFailed(Event):
    """A cell failed; its record has the reason."""

    reason: str
    failure: Failure | None = None
    """The exception; None if there was none, as when the worker process was killed."""
    kept: str = ""
    """Path of the file with the full traceback."""
    status: Literal["failed", "violated"] = "failed"
    """Violated: the method broke a rule of the protocol."""


@dataclass(frozen=True)
class CellSkipped(Event):
    """A cell was not run: already finished, or the method does not support the track."""

    reason: str
