"""Events of cells that run in other processes: written there line by line, read here, and told as if they were ours."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from freeshot.basics.failures import Failure
from freeshot.contracts import events
from freeshot.contracts.events import Event, Progress
from freeshot.plugin import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

POLL = 0.2
"""Seconds between two looks into the mail."""
SELDOM = 0.5
"""Seconds between two letters about the progress of a stage."""
KINDS = {kind.__name__: kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)}


class Letters:
    """Hears events and writes each on a line of a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told = float("-inf")

    @hookimpl
    def freeshot_event(self, event: Event) -> None:
        """Write one event; of progress only now and then."""
        if isinstance(event, Progress):
            if time.monotonic() - self._told < SELDOM and event.done < event.total:
                return
            self._told = time.monotonic()
        if KINDS.get(type(event).__name__) is type(event):
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"kind": type(event).__name__, **asdict(event)}) + "\n")


class Mailbox:
    """A folder of letters, one file for each cell; what was read is remembered, and so is how each cell ended."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, int] = {}
        self.last: dict[str, Event] = {}
        """Cell → its last event so far."""

    def path(self, cell: str) -> Path:
        """Return where a cell's letters go."""
        return self._folder / f"{cell}.jsonl"

    def fetch(self) -> list[Event]:
        """Return what came since the last time."""
        found = []
        for path in sorted(self._folder.glob("*.jsonl")):
            with path.open("rb") as file:
                file.seek(self._read.get(path.stem, 0))
                text = file.read()
            whole = text[: text.rfind(b"\n") + 1]  # the last line may be on its way
            self._read[path.stem] = self._read.get(path.stem, 0) + len(whole)
            for line in whole.splitlines():
                event = _event(line)
                if event is not None:
                    self.last[path.stem] = event
                    found.append(event)
        return found


@contextmanager
def told(mailbox: Mailbox, emit: Callable[[Event], None]) -> Iterator[None]:
    """Tell what comes while the block runs, and once more what is there when it ends."""
    over = threading.Event()

    def listen() -> None:
        while not over.wait(POLL):
            for event in mailbox.fetch():
                emit(event)

    listener = threading.Thread(target=listen, name="freeshot mail", daemon=True)
    listener.start()
    try:
        yield
    finally:
        over.set()
        listener.join()
        for event in mailbox.fetch():
            emit(event)


def _event(line: bytes) -> Event | None:
    """Read a line; None for one that is damaged or of a kind that is not known here."""
    try:
        values = json.loads(line)
        if values.get("failure"):
            values["failure"] = Failure.from_plain(values["failure"])
        return KINDS[values.pop("kind")](**values)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
