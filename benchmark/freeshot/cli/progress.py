"""Show the events of a run: bars with time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

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
from freeshot.plugin.listening import listening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pluggy
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

NAME = "progress display"
"""As which plugin the displays take part."""
EVERY = 10.0
"""Seconds between two lines about the same stage."""


class Display:
    """What both displays share: the line in which each end is told, and the memory of what failed."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.failures: dict[str, str] = {}

    @hookimpl
    def freeshot_event(self, event: Event) -> None:
        """Hear one event; kinds of a later version are passed over."""
        match event:
            case StageStarted():
                self.begin(event)
            case Progress():
                self.advance(event)
            case StageFinished():
                self.end(event)
            case CellFinished():
                self.tell(f"{event.cell}: {event.mean:.2%} ± {event.half_width:.2%}".replace("%", " %"), "green")
            case CellFailed():
                self.failures[event.cell] = event.reason
                self.tell(f"{event.cell}: failed. {event.reason}", "red")
            case CellSkipped():
                self.tell(f"{event.cell}: skipped. {event.reason}", "dim")

    def begin(self, event: StageStarted) -> None:
        """Show that a stage begins."""

    def advance(self, event: Progress) -> None:
        """Show how far a stage is."""

    def end(self, event: StageFinished) -> None:
        """Show that a stage ended."""
        took = "taken from an earlier run" if event.cached else duration(event.seconds)
        self.tell(f"{event.cell}: {event.stage}, {took}", "dim")

    def tell(self, line: str, style: str) -> None:
        """Print one line."""
        from rich.text import Text

        self.console.print(Text(line, style=style), soft_wrap=True)


class BarDisplay(Display):
    """A bar per running stage, with the time left."""

    def __init__(self, console: Console, bars: Bars) -> None:
        super().__init__(console)
        self._bars = bars
        self._tasks: dict[tuple[str, str], TaskID] = {}

    def begin(self, event: StageStarted) -> None:
        """Open a bar; without a total it only moves."""
        self._task(event.cell, event.stage, event.total)

    def advance(self, event: Progress) -> None:
        """Move the bar."""
        self._bars.update(self._task(event.cell, event.stage, event.total), completed=event.done, total=event.total)

    def end(self, event: StageFinished) -> None:
        """Take the bar away and leave a line."""
        task = self._tasks.pop((event.cell, event.stage), None)
        if task is not None:
            self._bars.remove_task(task)
        super().end(event)

    @hookimpl
    def freeshot_event(self, event: Event) -> None:
        """Hear one event; the end of a cell also takes the bars of its unfinished stages away."""
        if isinstance(event, (CellFinished, CellFailed)):
            for key in [key for key in self._tasks if key[0] == event.cell]:
                self._bars.remove_task(self._tasks.pop(key))
        super().freeshot_event(event)

    def _task(self, cell: str, stage: str, total: int) -> TaskID:
        if (cell, stage) not in self._tasks:
            self._tasks[cell, stage] = self._bars.add_task(f"{cell}: {stage}", total=total or None)
        return self._tasks[cell, stage]


class LineDisplay(Display):
    """A line when a stage begins, one every ten seconds, one when it ends: readable in a log."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(console)
        self._clock = clock
        self._began: dict[tuple[str, str], float] = {}
        self._told: dict[tuple[str, str], float] = {}

    def begin(self, event: StageStarted) -> None:
        """Say that a stage begins."""
        self._start(event.cell, event.stage)
        self.tell(f"{event.cell}: {event.stage} …", "")

    def advance(self, event: Progress) -> None:
        """Say how far a stage is, if the last line about it is old."""
        key, now = (event.cell, event.stage), self._clock()
        self._start(*key)
        if now - self._told[key] < EVERY or not 0 < event.done < event.total:
            return
        self._told[key] = now
        left = (now - self._began[key]) / event.done * (event.total - event.done)
        share = f"{100 * event.done // event.total} %"
        self.tell(f"{event.cell}: {event.stage} {share}, about {duration(left)} left", "")

    def _start(self, cell: str, stage: str) -> None:
        self._began.setdefault((cell, stage), self._clock())
        self._told.setdefault((cell, stage), self._clock())


@contextmanager
def shown(manager: pluggy.PluginManager) -> Iterator[Display]:
    """Show the events of the block, as bars or lines."""
    console = stdout()
    if sys.stdout.isatty():
        with _bars(console) as bars, listening(manager, BarDisplay(bars.console, bars), NAME) as display:
            yield display
    else:
        with listening(manager, LineDisplay(console), NAME) as display:
            yield display


def _bars(console: Console) -> Bars:
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Bars(*columns, console=console, transient=True)
