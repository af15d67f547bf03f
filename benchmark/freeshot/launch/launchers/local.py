"""Launcher for this machine: in this process, or in several processes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from freeshot.basics.errors import OptionError
from freeshot.basics.system import usable_cores
from freeshot.contracts.launcher import Launcher

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from freeshot.records.models import RunSpec

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Environment variables that limit the threads of a process."""


@dataclass(frozen=True)
class LocalLauncher(Launcher):
    """Run cells on this machine, in this process or in several; GPUs are distributed among them."""

    name = "local"
    workers: int = 1
    """Number of processes; 1 runs cells one by one in this process, which may use all of its cores."""

    assist: bool = True
    """Whether idle processes help busy ones with shareable work: LoRAs to invert, images to embed."""

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise OptionError(f"Launcher 'local' takes at least one worker, but workers={self.workers}.")

    def launch(self, cells: Sequence[RunSpec], run_cell: Callable[[RunSpec], None]) -> None:
        """Run each cell once."""
        if self.workers == 1 or not cells:
            for cell in cells:
                run_cell(cell)
            return
        from freeshot.launch.launchers.process_pool import map_in_processes

        helping = self.assist and hasattr(run_cell, "assist")
        workers = self.workers if helping else min(self.workers, len(cells))
        spare = [_Errand(cells[-1 - number % len(cells)], helps=True) for number in range(workers - 1)]
        map_in_processes(
            [_Errand(cell) for cell in cells],
            _Hand(run_cell),
            [_surroundings(number, workers) for number in range(workers)],
            spare if helping else (),
        )


class _Errand(NamedTuple):
    """A cell to run, or to help with."""

    cell: RunSpec
    helps: bool = False


@dataclass(frozen=True, eq=False)
class _Hand:
    """Runs or assists a cell in the process in which it is called."""

    run_cell: Any

    def __call__(self, errand: _Errand) -> None:
        (self.run_cell.assist if errand.helps else self.run_cell)(errand.cell)


def _surroundings(number: int, workers: int) -> dict[str, str]:
    """Return a worker's environment variables: its share of the cores, unless already set, and its GPU."""
    cores = max(1, usable_cores() // workers)
    found = {name: str(cores) for name in THREADS if name not in os.environ}
    cards = _cards()
    if cards:
        found["CUDA_VISIBLE_DEVICES"] = cards[number % len(cards)]
    return found


def _cards() -> list[str]:
    """List the GPUs that this process may use."""
    if visible := os.environ.get("CUDA_VISIBLE_DEVICES", ""):
        return visible.split(",")
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]
