"""Estimate the time left of a stage and of a whole run; times are seconds of a monotonic clock."""

from __future__ import annotations

from dataclasses import dataclass, field

from freeshot.cli.console import duration


@dataclass
class StagePace:
    """Speed of one stage."""

    began: float
    printed: float = field(init=False)
    """Time of the last line about the stage."""
    first: tuple[float, int] | None = None
    """Time and step of the first progress event; a resumed stage starts in the middle."""

    def __post_init__(self) -> None:
        """Count the start as the first line."""
        self.printed = self.began

    def seconds_left(self, now: float, done: int, total: int) -> float:
        """Estimate from the steps since the first event; from all steps if there were none since."""
        then, before = self.first or (self.began, 0)
        if done <= before:
            then, before = self.began, 0
        return (now - then) / (done - before) * (total - done)


@dataclass
class CellPace:
    """Progress of the cells of a run."""

    cells: frozenset[str]
    """Hashes of the cells to run; others are not counted."""
    began: float
    ended: set[str] = field(default_factory=set)
    last: float = 0.0
    """Time at which the last cell ended."""

    @property
    def total(self) -> int:
        """Number of cells to run."""
        return len(self.cells)

    @property
    def done(self) -> int:
        """Number of cells that ended."""
        return len(self.ended)

    def count(self, cell: str, now: float) -> bool:
        """Count the end of a cell; return False if it is not one of the run's."""
        if cell not in self.cells:
            return False
        self.ended.add(cell)
        self.last = now
        return True

    def text(self, now: float, *, current: bool = False) -> str:
        """Return 'cell 3 of 10, about 4 min left', for the last cell that ended or the current one."""
        number = min(self.done + 1, self.total) if current or not self.done else self.done
        left = self.seconds_left(now)
        return f"cell {number} of {self.total}" + (f", about {duration(left)} left" if left else "")

    def seconds_left(self, now: float) -> float | None:
        """Estimate the time left from the cells that ended; None before the first and after the last."""
        if not 0 < self.done < self.total:
            return None
        per_cell = (self.last - self.began) / self.done
        return max(0.0, per_cell * (self.total - self.done) - (now - self.last))
