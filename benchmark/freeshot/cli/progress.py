"""Show the events of a run: bars with time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
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
NAMELESS: Mapping[str, str] = MappingProxyType({})

Stage = tuple[str, str, str]
"""Name of a cell, its hash, name of the stage."""


class Display:
    """What the displays share: what cells are called, the line in which each end is told, the memory of what failed."""

    def __init__(self, console: Console, names: Mapping[str, str] = NAMELESS) -> None:
        self.console = console
        self.failures: dict[str, CellFailed] = {}
        """What failed, by what it is called."""
        self._names = names

    @hookimpl
    def freeshot_event(self, event: Event) -> None:
        """Hear one event; kinds of a later version are passed over."""
        name = self.name(event)
        match event:
            case StageStarted():
                self.begin(event)
            case Progress():
                self.advance(event)
            case StageFinished():
                self.end(event)
            case CellFinished():
                self.tell(f"{name}: {event.mean:.2%} ± {event.half_width:.2%}".replace("%", " %"), "green")
            case CellFailed():
                self.failures[name] = event
                self.tell(f"{name}: failed. {event.reason}", "red")
            case CellSkipped():
                self.tell(f"{name}: skipped. {event.reason}", "dim")

    def name(self, event: Event) -> str:
        """Call an event's cell as whoever opened the display does, or else as the event does."""
        return self._names.get(event.id, event.cell)

    def begin(self, event: StageStarted) -> None:
        """Show that a stage begins."""

    def advance(self, event: Progress) -> None:
        """Show how far a stage is."""

    def end(self, event: StageFinished) -> None:
        """Show that a stage ended."""
        took = "taken from an earlier run" if event.cached else duration(event.seconds)
        self.tell(f"{self.name(event)}: {event.stage}, {took}", "dim")

    def tell(self, line: str, style: str) -> None:
        """Print one line."""
        from rich.text import Text

        self.console.print(Text(line, style=style), soft_wrap=True)


class BarDisplay(Display):
    """A bar per running stage, with the time left."""

    def __init__(self, console: Console, bars: Bars, names: Mapping[str, str] = NAMELESS) -> None:
        super().__init__(console, names)
        self._bars = bars
        self._tasks: dict[Stage, TaskID] = {}

    def begin(self, event: StageStarted) -> None:
        """Open a bar; without a total it only moves."""
        self._task(event)

    def advance(self, event: Progress) -> None:
        """Move the bar."""
        self._bars.update(self._task(event), completed=event.done, total=event.total)

    def end(self, event: StageFinished) -> None:
        """Take the bar away and leave a line."""
        task = self._tasks.pop(_stage(event), None)
        if task is not None:
            self._bars.remove_task(task)
        super().end(event)

    @hookimpl
    def freeshot_event(self, event: Event) -> None:
        """Hear one event; the end of a cell also takes the bars of its unfinished stages away."""
        if isinstance(event, (CellFinished, CellFailed)):
            for key in [key for key in self._tasks if key[:2] == (event.cell, event.id)]:
                self._bars.remove_task(self._tasks.pop(key))
        super().freeshot_event(event)

    def _task(self, event: StageStarted | Progress) -> TaskID:
        key = _stage(event)
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task(f"{self.name(event)}: {event.stage}", total=event.total or None)
        return self._tasks[key]


class LineDisplay(Display):
    """A line when a stage begins, one every ten seconds, one when it ends: readable in a log."""

    def __init__(
        self,
        console: Console,
        names: Mapping[str, str] = NAMELESS,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(console, names)
        self._clock = clock
        self._running: dict[Stage, Pace] = {}

    def begin(self, event: StageStarted) -> None:
        """Say that a stage begins."""
        self._running[_stage(event)] = Pace(self._clock())
        self.tell(f"{self.name(event)}: {event.stage} …", "")

    def advance(self, event: Progress) -> None:
        """Say how far a stage is, if the last line about it is old."""
        now = self._clock()
        pace = self._running.setdefault(_stage(event), Pace(now))
        pace.first = pace.first or (now, event.done)
        if now - pace.told < EVERY or not 0 < event.done < event.total:
            return
        pace.told = now
        share = f"{100 * event.done // event.total} %"
        left = pace.seconds_left(now, event.done, event.total)
        self.tell(f"{self.name(event)}: {event.stage} {share}, about {duration(left)} left", "")

    def end(self, event: StageFinished) -> None:
        """Say that a stage ended."""
        self._running.pop(_stage(event), None)
        super().end(event)


@dataclass
class Pace:
    """How fast a stage goes, by a clock in seconds."""

    began: float
    told: float = field(init=False)
    """When something was last said of it."""
    first: tuple[float, int] | None = None
    """When it was first heard of, and how far it was: one that is taken up again starts in its middle."""

    def __post_init__(self) -> None:
        """Beginning is told, too."""
        self.told = self.began

    def seconds_left(self, now: float, done: int, total: int) -> float:
        """Estimate by the steps since it was first heard of; by all of them, where there were none since."""
        then, before = self.first or (self.began, 0)
        if done <= before:
            then, before = self.began, 0
        return (now - then) / (done - before) * (total - done)


def _stage(event: StageStarted | Progress | StageFinished) -> Stage:
    return event.cell, event.id, event.stage


@contextmanager
def shown(manager: pluggy.PluginManager, names: Mapping[str, str] = NAMELESS) -> Iterator[Display]:
    """Show the events of the block, as bars or lines; `names` calls cells by their hash otherwise than events do."""
    console = stdout()
    if sys.stdout.isatty():
        with _bars(console) as bars, listening(manager, BarDisplay(bars.console, bars, names), NAME) as display:
            yield display
    else:
        with listening(manager, LineDisplay(console, names), NAME) as display:
            yield display


def _bars(console: Console) -> Bars:
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Bars(*columns, console=console, transient=True)
