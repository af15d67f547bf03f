"""Launcher for this machine: cells one by one, or in several processes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from freeshot.basics.cores import usable_cores
from freeshot.basics.errors import OptionError
from freeshot.contracts.launcher import Launcher

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
        from freeshot.launch.launchers.process_pool import map_in_processes

        workers = min(self.workers, len(cells))
        map_in_processes(cells, run_cell, [_worker_environment(number, workers) for number in range(workers)])


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
