"""Launcher for this machine: cells one by one, or in several processes; if one dies, the others continue."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from typing import Any

from freeshot.basics.errors import OptionError
from freeshot.basics.system import usable_cores
from freeshot.contracts.launcher import Launcher

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Environment variables that limit the threads of a process."""


@dataclass(frozen=True)
class LocalLauncher(Launcher):
    """Run cells on this machine, in this process or in several; GPUs are distributed among them."""

    name = "local"
    workers: int = 1
    """Number of processes; 1 runs cells one by one in this process, which may use all of its cores."""

    assist: bool = True
    """Whether processes without a cell invert LoRAs for the others."""

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise OptionError(f"Launcher 'local' takes at least one worker, but workers={self.workers}.")

    @property
    def processes(self) -> int:
        """Number of processes among which the work of a single cell may be shared."""
        return self.workers if self.assist else 1

    def launch(self, cells: Sequence[Any], run_cell: Callable[[Any], None]) -> None:
        """Run each cell once."""
        if self.workers == 1:
            for cell in cells:
                run_cell(cell)
            return
        workers = min(self.workers, len(cells))
        environments = [_worker_environment(number, workers) for number in range(workers)]
        map_in_processes(cells, run_cell, environments, main=False)


def _worker_environment(number: int, workers: int) -> dict[str, str]:
    """Return a worker's environment variables: its share of the cores, unless already set, and its GPU."""
    cores = max(1, usable_cores() // workers)
    variables = {name: str(cores) for name in THREADS if name not in os.environ}
    gpus = _gpus()
    if gpus:
        variables["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]
    return variables


def _gpus() -> list[str]:
    """List the GPUs that this process may use."""
    if visible := os.environ.get("CUDA_VISIBLE_DEVICES", ""):
        return visible.split(",")
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def map_in_processes(
    items: Sequence[Any],
    work: Callable[[Any], None],
    environments: Sequence[Mapping[str, str]],
    *,
    main: bool = True,
) -> None:
    """Call `work` on each item, in one process per mapping of environment variables.

    Everything must be picklable; without `main`, it must need nothing from the program's main module. `work` reports
    its own result. A process that dies is replaced, and the item that it worked on is not retried.
    """
    spawn = multiprocessing.get_context("spawn")
    taken = spawn.Value("l", 0)  # number of items that processes have taken
    replacements = len(items)  # no more, in case processes die before they take an item

    def start(variables: Mapping[str, str]) -> SpawnProcess:
        process = spawn.Process(target=_serve, args=(taken, items, work), daemon=True)
        with _environment(variables), nullcontext() if main else _main_hidden():
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


@contextmanager
def _main_hidden() -> Iterator[None]:
    """Keep processes started inside this block from importing the program's main module.

    A script that runs cells without `if __name__ == "__main__"` would otherwise begin anew in each of them.
    """
    main = sys.modules["__main__"]
    before = {name: getattr(main, name) for name in ("__spec__", "__file__") if hasattr(main, name)}
    vars(main).pop("__file__", None)
    main.__spec__ = None
    try:
        yield
    finally:
        vars(main).update(before)


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
