"""Cells as jobs of SLURM, through submitit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import OptionError
from freeshot.contracts.launcher import Launcher

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from freeshot.contracts.records import RunSpec


@dataclass(frozen=True)
class SubmititLauncher(Launcher):
    """Hand cells to SLURM as jobs of an array; one that is preempted is queued again and continues where it was.

    Results and cache must lie on a file system that the nodes share.
    """

    name = "submitit"
    citation = "submitit, https://github.com/facebookincubator/submitit (MIT)"
    folder: str = "submitit"
    """Where submitit keeps its jobs and their logs."""
    cluster: str = ""
    """'slurm', or 'local' for processes of this machine; empty: SLURM where there is one."""
    cells_per_job: int = 1
    """Cells that one job runs in turn; those next to each other share work."""
    parallel: int = 100
    """Jobs at a time, at most."""
    minutes: int = 240
    """Time limit of a job."""
    cpus: int = 4
    """Cores of a job."""
    gpus: int = 0
    """Graphics cards of a job."""
    memory: int = 16
    """GB of a job."""
    partition: str = ""
    """Of SLURM; empty takes the default one."""

    def launch(self, cells: Sequence[RunSpec], run_cell: Callable[[RunSpec], None]) -> None:
        """Submit all cells, and wait until each was run or its job is lost."""
        if not cells:
            return
        groups = [cells[at : at + self.cells_per_job] for at in range(0, len(cells), self.cells_per_job)]
        jobs = self._executor().map_array(CellJob(run_cell), groups)
        for job in jobs:
            # a job that is lost leaves its cells without a record; the harness says so, and the others go on
            job.exception()

    def _executor(self) -> Any:
        try:
            from submitit import AutoExecutor
        except ImportError:
            raise OptionError(
                "Launcher 'submitit' needs the package submitit. Install it: pip install 'freeshot[submitit]'."
            ) from None
        executor = AutoExecutor(Path(self.folder).absolute(), cluster=self.cluster or None)
        slurm: dict[str, Any] = {"slurm_array_parallelism": self.parallel}
        if self.partition:
            slurm["slurm_partition"] = self.partition
        executor.update_parameters(
            name="freeshot",
            timeout_min=self.minutes,
            cpus_per_task=self.cpus,
            gpus_per_node=self.gpus,
            mem_gb=self.memory,
            **slurm,
        )
        return executor


@dataclass(frozen=True)
class CellJob:
    """What a job does; submitit asks for `checkpoint` when it is preempted."""

    run_cell: Callable[[RunSpec], None]

    def __call__(self, cells: Sequence[RunSpec]) -> None:
        """Run some cells in turn."""
        for cell in cells:
            self.run_cell(cell)

    def checkpoint(self, cells: Sequence[RunSpec]) -> Any:
        """Ask to be queued again: what is done is on disk, and the rest continues from its last state."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, cells)
