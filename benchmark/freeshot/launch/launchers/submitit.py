"""Launcher for SLURM jobs, through submitit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from freeshot.basics.errors import OptionError
from freeshot.basics.files import require_writable
from freeshot.basics.validators import require_positive
from freeshot.contracts.launcher import Launcher


@dataclass(frozen=True)
class SubmititLauncher(Launcher):
    """Submit cells to SLURM as an array of jobs; a preempted job is requeued and resumes.

    Results and cache must be on a file system that the nodes share.
    """

    name = "submitit"
    remote = True
    citation = "submitit, https://github.com/facebookincubator/submitit (MIT)"
    folder: str = "submitit"
    """Folder of submitit's job files and logs."""
    cluster: Literal["slurm", "local"] = "slurm"
    """'local' uses processes of this machine, all jobs at once."""
    cells_per_job: int = 1
    """Cells per job, run one by one; neighbouring cells share work."""
    parallel: int = 100
    """Maximal number of simultaneous SLURM jobs."""
    minutes: int = 240
    """Time limit of a job, in minutes."""
    cpus: int = 4
    """CPU cores per job."""
    gpus: int = 0
    """GPUs per job."""
    memory: int = 16
    """Memory per job, in GB."""
    partition: str = ""
    """SLURM partition; empty uses the default one."""

    def __post_init__(self) -> None:
        require_positive(self, "cells_per_job", "parallel", "minutes", "cpus", "memory")
        if self.gpus < 0:
            raise OptionError(f"Option 'gpus' of 'submitit' must not be negative, but is {self.gpus}.")

    def require_ready(self) -> None:
        """Require submitit, SLURM if it is used, and a writable folder."""
        self._executor()

    def launch(self, cells: Sequence[Any], run_cell: Callable[[Any], None]) -> None:
        """Submit all cells, and wait until each has run or its job is lost."""
        if not cells:
            return
        groups = [cells[at : at + self.cells_per_job] for at in range(0, len(cells), self.cells_per_job)]
        jobs = self._executor().map_array(CellJob(run_cell), groups)
        try:
            for job in jobs:
                # the harness reports cells without a record, and the others continue
                job.exception()
        except BaseException:
            if self.cluster == "local":  # SLURM jobs continue without this process, local ones do not
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
                f"SLURM cannot be used here ({reason}). Run this where sbatch and srun are available, or use "
                "this machine with -l cluster=local."
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
    """The work of a job; submitit calls `checkpoint` when it is preempted."""

    run_cell: Callable[[Any], None]

    def __call__(self, cells: Sequence[Any]) -> None:
        """Run cells one by one."""
        for cell in cells:
            self.run_cell(cell)

    def checkpoint(self, cells: Sequence[Any]) -> Any:
        """Request requeueing: finished cells are on disk, and the current one resumes from its checkpoint."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, cells)
