"""Show the progress of a run: bars on a terminal, lines elsewhere. Times are seconds of a monotonic clock."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec

import pluggy
from rich.console import Console
from rich.progress import BarColumn, Task, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text

from freeshot.cli.console import duration, stdout
from freeshot.contracts.events import (
    CellFailed,
    CellFinished,
    CellSkipped,
    Event,
    Progress,
    StageFinished,
    StageStarted,
)
from freeshot.plugin import hookimpl
from freeshot.plugin.host import registered

NAME = "progress display"
"""Name under which a display is registered as a plugin."""
EVERY = 10.0
"""Seconds between two lines about the same stage."""

Stage = tuple[str, str, str]
"""Name of a cell, its hash, name of the stage."""


@dataclass
class StagePace:
    """Speed of one stage."""

    began: float
    printed: float
    """Time of the last line about the stage; the start counts as one."""
    first: tuple[float, int] | None = None
    """Time and step of the first progress event; a resumed stage starts in the middle."""

    def seconds_left(self, now: float, done: int, total: int) -> float:
        """Estimate from the steps since the first event; from all steps if there were none since."""
        start, first_step = self.first or (self.began, 0)
        if done <= first_step:
            start, first_step = self.began, 0
        return (now - start) / (done - first_step) * (total - done)


@dataclass
class RunPace:
    """Progress of the cells of a run."""

    cells: frozenset[str]
    """Hashes of the cells to run; others are not counted."""
    began: float
    ended: set[str] = field(default_factory=set)
    last: float = 0.0
    """Time at which the last cell ended."""

    def end(self, cell: str, now: float) -> bool:
        """Count the end of a cell; return False if it is not one of the run's."""
        if cell not in self.cells:
            return False
        self.ended.add(cell)
        self.last = now
        return True

    def text(self, now: float, *, current: bool = False) -> str:
        """Return 'cell 3 of 10, about 4 min left', for the last cell that ended or the current one."""
        done, total = len(self.ended), len(self.cells)
        text = f"cell {min(done + 1, total) if current or not done else done} of {total}"
        if not 0 < done < total:
            return text
        per_cell = (self.last - self.began) / done
        seconds_left = max(0.0, per_cell * (total - done) - (now - self.last))
        return f"{text}, about {duration(seconds_left)} left" if seconds_left else text


class LineDisplay:
    """A line per cell, and one every ten seconds of a long stage: readable in a log.

    Without cells, as while a pool is built, each stage has a line for its start and one for its end.
    """

    def __init__(
        self,
        console: Console,
        titles: Mapping[str, str] | None = None,
        cells: Collection[str] = (),
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.console = console
        self.failures: dict[str, CellFailed] = {}
        """Title of a cell → how it failed."""
        self.clock = clock
        self.run = RunPace(frozenset(cells), clock())
        self._titles = titles or {}
        self._stages: dict[Stage, StagePace] = {}

    @hookimpl
    def freeshot_event(self, event: Event) -> None:
        """Show one event; unknown kinds are ignored."""
        match event:
            case StageStarted():
                self.begin(event)
            case Progress():
                self.advance(event)
            case StageFinished():
                self.end(event)
            case CellFinished() | CellFailed() | CellSkipped():
                self.end_cell(event)

    def title(self, event: Event) -> str:
        """Return the title of the event's cell."""
        return self._titles.get(event.id, event.cell)

    def begin(self, event: StageStarted) -> None:
        """Show the start of a stage."""
        self._stages[_stage(event)] = StagePace(self.clock(), self.clock())
        if not self.run.cells:
            self.print(f"{self.title(event)}: {event.stage} …")

    def advance(self, event: Progress) -> None:
        """Print the progress of a stage, unless its last line is recent."""
        now = self.clock()
        pace = self._stages.setdefault(_stage(event), StagePace(now, now))
        pace.first = pace.first or (now, event.done)
        if now - pace.printed < EVERY or not 0 < event.done < event.total:
            return
        pace.printed = now
        share = f"{100 * event.done // event.total} %"
        left = pace.seconds_left(now, event.done, event.total)
        self.print(f"{self.title(event)}: {event.stage} {share}, about {duration(left)} left")

    def end(self, event: StageFinished) -> None:
        """Show the end of a stage, unless it was short and its cell has a line of its own."""
        self._stages.pop(_stage(event), None)
        if not self.run.cells or event.seconds >= EVERY:
            self.print_end(event)

    def print_end(self, event: StageFinished) -> None:
        """Print how long a stage took."""
        took = "loaded from the cache" if event.cached else duration(event.seconds)
        self.print(f"{self.title(event)}: {event.stage}, {took}", "dim")

    def end_cell(self, event: CellFinished | CellFailed | CellSkipped) -> None:
        """Show the result of a cell, and the progress of the whole run."""
        title, counted = self.title(event), self.run.end(event.id, self.clock())
        progress = f" [{self.run.text(self.clock())}]" if counted else ""
        if isinstance(event, CellFinished):
            accuracy = f"{event.mean:.2%} ± {event.half_width:.2%}".replace("%", " %")
            self.print(f"{title}: {accuracy}{progress}", "green")
        elif isinstance(event, CellFailed):
            repeated = any(event.reason == other.reason for other in self.failures.values())
            self.failures[title] = event
            reason = "The reason is the same as above." if repeated else event.reason
            self.print(f"{title}: {event.status}. {reason}{progress}", "red")
        else:
            self.print(f"{title}: skipped. {event.reason}{progress}", "dim")

    def print(self, line: str, style: str = "") -> None:
        """Print one line."""
        self.console.print(Text(line, style=style), soft_wrap=True)


class BarDisplay(LineDisplay):
    """A bar for the whole run and one per running stage, with the time left."""

    def __init__(
        self,
        console: Console,
        bars: Bars,
        titles: Mapping[str, str] | None = None,
        cells: Collection[str] = (),
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(console, titles, cells, clock=clock)
        self._bars = bars
        self._tasks: dict[Stage, TaskID] = {}
        self._run = bars.add_task(self.run.text(clock()), total=len(cells), run=True) if cells else None

    def begin(self, event: StageStarted) -> None:
        """Add a bar; without a total it pulses."""
        self._task(event)

    def advance(self, event: Progress) -> None:
        """Move the bar of the stage, and update the time left of the run."""
        self._bars.update(self._task(event), completed=event.done, total=event.total)
        self._update_run()

    def end(self, event: StageFinished) -> None:
        """Replace the bar with a line."""
        task = self._tasks.pop(_stage(event), None)
        if task is not None:
            self._bars.remove_task(task)
        self.print_end(event)

    def end_cell(self, event: CellFinished | CellFailed | CellSkipped) -> None:
        """Remove the bars of the cell's unfinished stages, and move the bar of the run."""
        for key in [key for key in self._tasks if key[:2] == (event.cell, event.id)]:
            self._bars.remove_task(self._tasks.pop(key))
        super().end_cell(event)
        self._update_run()

    def _update_run(self) -> None:
        if self._run is not None:
            text = self.run.text(self.clock(), current=True)
            self._bars.update(self._run, completed=len(self.run.ended), description=text)

    def _task(self, event: StageStarted | Progress) -> TaskID:
        key = _stage(event)
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task(f"{self.title(event)}: {event.stage}", total=event.total or None)
        return self._tasks[key]


def _stage(event: StageStarted | Progress | StageFinished) -> Stage:
    return event.cell, event.id, event.stage


class StageTimeLeft(TimeRemainingColumn):
    """The time left of a stage; that of the run is in its description."""

    def render(self, task: Task) -> Text:
        """Return the time left, or nothing for the run."""
        return Text() if task.fields.get("run") else super().render(task)


def _draws_bars(console: Console) -> bool:
    """Return whether bars can be redrawn: on a terminal, and in a notebook that has the widgets that rich uses."""
    return sys.stdout.isatty() or (console.is_jupyter and find_spec("ipywidgets") is not None)


@contextmanager
def shown(
    manager: pluggy.PluginManager, titles: Mapping[str, str] | None = None, cells: Collection[str] = ()
) -> Iterator[LineDisplay]:
    """Show the events of the block.

    `titles` maps hashes of cells to titles, `cells` are the hashes of those to run.
    """
    console = stdout()
    if not _draws_bars(console):
        with registered(manager, LineDisplay(console, titles, cells), NAME) as display:
            yield display
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), StageTimeLeft())
    with (
        Bars(*columns, console=console, transient=True) as bars,
        registered(manager, BarDisplay(bars.console, bars, titles, cells), NAME) as bar_display,
    ):
        yield bar_display
