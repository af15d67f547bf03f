"""A process pool in which the death of a worker fails only its current item."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from multiprocessing.context import SpawnProcess


def map_in_processes(
    items: Sequence[Any], work: Callable[[Any], None], environments: Sequence[Mapping[str, str]]
) -> None:
    """Call `work` on each item, in one process per mapping of environment variables.

    Everything must be picklable. `work` reports its own result. A process that dies is replaced, and the item that it
    worked on is not retried.
    """
    spawn = multiprocessing.get_context("spawn")
    taken = spawn.Value("l", 0)  # number of items that processes have taken
    replacements = len(items)  # no more, in case processes die before they take an item

    def start(variables: Mapping[str, str]) -> SpawnProcess:
        process = spawn.Process(target=_serve, args=(taken, items, work), daemon=True)
        with _environment(variables):
            process.start()
        return process

    workers = [(start(variables), variables) for variables in environments[: len(items)]]
    try:
        while workers:
            ended = wait([process.sentinel for process, _ in workers])
            for process, variables in [worker for worker in workers if worker[0].sentinel in ended]:
                workers.remove((process, variables))
                process.join()
                if process.exitcode and taken.value < len(items) and replacements:
                    replacements -= 1
                    workers.append((start(variables), variables))
    finally:
        for process, _ in workers:  # some are left only after an interrupt
            process.terminate()
            process.join()


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
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


def _serve(taken: Any, items: Sequence[Any], work: Callable[[Any], None]) -> None:
    """Take and work on one item after another, until none is left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # interrupts are handled by the parent, which terminates this process
    threading.Thread(target=_end_with_our_parent, daemon=True).start()
    while True:
        with taken.get_lock():
            number = taken.value
            taken.value = number + 1
        if number >= len(items):
            return
        work(items[number])


def _end_with_our_parent() -> None:
    """Exit when the parent dies, so that a restarted run does not meet orphaned workers."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
