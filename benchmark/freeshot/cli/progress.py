"""Show the progress of a run: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from freeshot.cli.console import duration, stdout
from freeshot.cli.pace import CellPace, StagePace
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

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    import pluggy
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import ProgressColumn, TaskID

NAME = "progress display"
"""Name under which a display is registered as a plugin."""
EVERY = 10.0
"""Seconds between two lines about the same stage."""

Stage = tuple[str, str, str]
"""Name of a cell, its hash, name of the stage."""


class Display:
    """Print a line for the end of each stage and cell, and collect the failed cells."""

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
        self.cells = CellPace(frozenset(cells), clock())
        self._titles = titles or {}

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

    def advance(self, event: Progress) -> None:
        """Show the progress of a stage."""

    def end(self, event: StageFinished) -> None:
        """Show the end of a stage."""
        took = "loaded from the cache" if event.cached else duration(event.seconds)
        self.print(f"{self.title(event)}: {event.stage}, {took}", "dim")

    def end_cell(self, event: CellFinished | CellFailed | CellSkipped) -> None:
        """Show the result of a cell, and the progress of the whole run."""
        title, counted = self.title(event), self.cells.count(event.id, self.clock())
        progress = f" [{self.cells.text(self.clock())}]" if counted else ""
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
        from rich.text import Text

        self.console.print(Text(line, style=style), soft_wrap=True)


class BarDisplay(Display):
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
        self._run = bars.add_task(self.cells.text(clock()), total=self.cells.total, run=True) if cells else None

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
        super().end(event)

    def end_cell(self, event: CellFinished | CellFailed | CellSkipped) -> None:
        """Remove the bars of the cell's unfinished stages, and move the bar of the run."""
        for key in [key for key in self._tasks if key[:2] == (event.cell, event.id)]:
            self._bars.remove_task(self._tasks.pop(key))
        super().end_cell(event)
        self._update_run()

    def _update_run(self) -> None:
        if self._run is not None:
            text = self.cells.text(self.clock(), current=True)
            self._bars.update(self._run, completed=self.cells.done, description=text)

    def _task(self, event: StageStarted | Progress) -> TaskID:
        key = _stage(event)
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task(f"{self.title(event)}: {event.stage}", total=event.total or None)
        return self._tasks[key]


class LineDisplay(Display):
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
        super().__init__(console, titles, cells, clock=clock)
        self._running: dict[Stage, StagePace] = {}

    def begin(self, event: StageStarted) -> None:
        """Print that a stage starts."""
        self._running[_stage(event)] = StagePace(self.clock())
        if not self.cells.total:
            self.print(f"{self.title(event)}: {event.stage} …")

    def advance(self, event: Progress) -> None:
        """Print the progress of a stage, unless its last line is recent."""
        now = self.clock()
        pace = self._running.setdefault(_stage(event), StagePace(now))
        pace.first = pace.first or (now, event.done)
        if now - pace.printed < EVERY or not 0 < event.done < event.total:
            return
        pace.printed = now
        share = f"{100 * event.done // event.total} %"
        left = pace.seconds_left(now, event.done, event.total)
        self.print(f"{self.title(event)}: {event.stage} {share}, about {duration(left)} left")

    def end(self, event: StageFinished) -> None:
        """Print that a stage ended."""
        self._running.pop(_stage(event), None)
        if not self.cells.total or event.seconds >= EVERY:
            super().end(event)


def _stage(event: StageStarted | Progress | StageFinished) -> Stage:
    return event.cell, event.id, event.stage


@contextmanager
def shown(
    manager: pluggy.PluginManager, titles: Mapping[str, str] | None = None, cells: Collection[str] = ()
) -> Iterator[Display]:
    """Show the events of the block.

    `titles` maps hashes of cells to titles, `cells` are the hashes of those to run.
    """
    console = stdout()
    if not sys.stdout.isatty():
        with registered(manager, LineDisplay(console, titles, cells), NAME) as display:
            yield display
        return
    with (
        _bars(console) as bars,
        registered(manager, BarDisplay(bars.console, bars, titles, cells), NAME) as bar_display,
    ):
        yield bar_display


def _bars(console: Console) -> Bars:
    from rich.progress import BarColumn, Task, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars
    from rich.text import Text

    class StageTimeLeft(TimeRemainingColumn):
        """The time left of a stage; that of the run is in its description."""

        def render(self, task: Task) -> Text:
            return Text() if task.fields.get("run") else super().render(task)

    columns: tuple[ProgressColumn, ...] = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        StageTimeLeft(),
    )
    return Bars(*columns, console=console, transient=True)
