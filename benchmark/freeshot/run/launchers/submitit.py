"""Cells as jobs of SLURM, through submitit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from freeshot.basics.bounds import require_positive
from freeshot.basics.errors import OptionError
from freeshot.basics.files import require_writable
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
    away = True
    citation = "submitit, https://github.com/facebookincubator/submitit (MIT)"
    folder: str = "submitit"
    """Where submitit keeps its jobs and their logs."""
    cluster: Literal["slurm", "local"] = "slurm"
    """'local' takes processes of this machine, all jobs at once."""
    cells_per_job: int = 1
    """Cells that one job runs in turn; those next to each other share work."""
    parallel: int = 100
    """Jobs of SLURM at a time, at most."""
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

    def __post_init__(self) -> None:
        require_positive(self, "cells_per_job", "parallel", "minutes", "cpus", "memory")
        if self.gpus < 0:
            raise OptionError(f"Option 'gpus' of 'submitit' must not be negative, but is {self.gpus}.")

    def require_ready(self) -> None:
        """Ask for submitit, for SLURM where it is to be used, and for a folder that can be written."""
        self._executor()

    def launch(self, cells: Sequence[RunSpec], run_cell: Callable[[RunSpec], None]) -> None:
        """Submit all cells, and wait until each was run or its job is lost."""
        if not cells:
            return
        groups = [cells[at : at + self.cells_per_job] for at in range(0, len(cells), self.cells_per_job)]
        jobs = self._executor().map_array(CellJob(run_cell), groups)
        try:
            for job in jobs:
                # a job that is lost leaves its cells without a record; the harness says so, and the others go on
                job.exception()
        except BaseException:
            if self.cluster == "local":  # jobs of SLURM go on without us, processes of this machine do not
                for job in jobs:
                    job.cancel()
            raise

    def _executor(self) -> Any:
        try:
            from submitit import AutoExecutor
        except ImportError:
            raise OptionError(
                "Launcher 'submitit' needs the package submitit. Install it: pip install 'freeshot[submitit]'."
            ) from None
        require_writable(Path(self.folder), "-l folder=DIR")
        try:
            executor = AutoExecutor(Path(self.folder).absolute(), cluster=self.cluster)
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            raise OptionError(
                f"SLURM cannot be used here ({reason}). Run this where sbatch and srun are, or take processes of this "
                "machine with -l cluster=local."
            ) from None
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
