"""A process pool in which the death of a worker fails only its current item."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from multiprocessing.context import SpawnProcess


def map_in_processes(
    items: Sequence[Any],
    work: Callable[[Any], None],
    surroundings: Sequence[Mapping[str, str]],
    spare: Sequence[Any] = (),
) -> None:
    """Call `work` on each item in one process per mapping of environment variables, until all items are done.

    Everything must be picklable. An item is never retried: `work` reports its own result. A process without remaining
    items takes a spare one; spare items are stopped when the last regular item is done.
    """
    queue = deque([*((item, True) for item in items), *((item, False) for item in spare)])
    crew = [_Worker(work, variables) for variables in surroundings[: len(queue)]]
    try:
        for worker in crew:
            worker.give(*queue.popleft())
        while any(worker.needed for worker in crew):
            ready = wait([end for worker in crew if worker.busy for end in worker.ends])
            for worker in [one for one in crew if one.busy and any(end in ready for end in one.ends)]:
                worker.rest()
                if queue:
                    worker.give(*queue.popleft())
    finally:
        for worker in crew:
            worker.dismiss()


class _Worker:
    """A process that works on one item at a time."""

    def __init__(self, work: Callable[[Any], None], variables: Mapping[str, str]) -> None:
        self._work, self._variables = work, dict(variables)
        self._process: SpawnProcess | None = None
        self._line: Connection | None = None
        self.busy = self.needed = False

    @property
    def ends(self) -> tuple[Any, ...]:
        """Objects that become ready when the item is done, or the process has died."""
        assert self._process is not None
        return self._line, self._process.sentinel

    def give(self, item: Any, needed: bool) -> None:  # noqa: FBT001 - unpacked from the queue
        """Send an item to the process, started if necessary; the pool waits for it if it is `needed`."""
        if self._process is None or not self._process.is_alive():
            self._start()
        assert self._line is not None
        self._line.send(item)
        self.busy, self.needed = True, needed

    def rest(self) -> None:
        """Mark the item as done, or failed if the process has died."""
        assert self._line is not None
        assert self._process is not None
        self.busy = self.needed = False
        try:
            self._line.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            self._process = None

    def dismiss(self) -> None:
        """Stop the process; a busy one, because of an interrupt or a spare item, is terminated."""
        if self._process is None or self._line is None:
            return
        self._line.close()
        if self.busy:
            self._process.terminate()
        self._process.join()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._line, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._work), daemon=True)
        with _surrounded(self._variables):
            self._process.start()
        theirs.close()


@contextmanager
def _surrounded(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for processes started inside this block.

    Setting them in the process itself would be too late: unpickling its work imports torch, which reads them then.
    """
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(line: Connection, work: Callable[[Any], None]) -> None:
    """Work on items until the connection is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # interrupts are handled by the parent, which terminates this process
    threading.Thread(target=_end_with_our_parent, daemon=True).start()
    while True:
        try:
            item = line.recv()
        except (EOFError, OSError):
            return
        work(item)
        line.send(None)


def _end_with_our_parent() -> None:
    """Exit when the parent dies, so that a restarted run does not meet orphaned workers."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
