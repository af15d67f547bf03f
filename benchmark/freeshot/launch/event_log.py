"""The event log between processes: workers write events line by line, the main process reads and forwards them."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from freeshot.basics.failures import Failure
from freeshot.contracts import events
from freeshot.contracts.events import Event, Progress
from freeshot.plugin import hookimpl

POLL = 0.2
"""Seconds between two reads of the log."""
SELDOM = 0.5
"""Minimal seconds between two progress events of a stage."""
KINDS = {kind.__name__: kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)}


class EventLogWriter:
    """Writes each event to a line of a log file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last_progress = float("-inf")

    @hookimpl
    def freeshot_event(self, event: Event) -> None:
        """Write an event; progress is rate-limited."""
        if isinstance(event, Progress):
            if time.monotonic() - self._last_progress < SELDOM and event.done < event.total:
                return
            self._last_progress = time.monotonic()
        if KINDS.get(type(event).__name__) is type(event):
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"kind": type(event).__name__, **asdict(event)}) + "\n")


class EventLogReader:
    """Reads a folder of event logs, one `.jsonl` file per cell."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: Counter[str] = Counter()
        """Name of a file → number of bytes read so far."""

    def fetch(self) -> list[Event]:
        """Return the events since the last call."""
        events: list[Event | None] = []
        for path in sorted(self._folder.glob("*.jsonl")):
            with path.open("rb") as file:
                file.seek(self._read[path.name])
                text = file.read()
            lines = text[: text.rfind(b"\n") + 1]  # the last line may be incomplete
            self._read[path.name] += len(lines)
            events += map(_event, lines.splitlines())
        return [event for event in events if event is not None]


@contextmanager
def forwarded(log: EventLogReader, emit: Callable[[Event], None]) -> Iterator[None]:
    """Forward events while the block runs, and the remaining ones when it ends."""
    over = threading.Event()

    def forward() -> None:
        while not over.wait(POLL):
            for event in log.fetch():
                emit(event)

    thread = threading.Thread(target=forward, name="freeshot events", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for event in log.fetch():
            emit(event)


def _event(line: bytes) -> Event | None:
    """Parse a line; None if it is damaged or of an unknown kind."""
    try:
        values = json.loads(line)
        if values.get("failure"):
            values["failure"] = Failure.from_plain(values["failure"])
        return KINDS[values.pop("kind")](**values)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
