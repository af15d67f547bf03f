"""Cells as tasks of Ray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import OptionError
from freeshot.contracts.launcher import Launcher

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from freeshot.contracts.records import RunSpec


@dataclass(frozen=True)
class RayLauncher(Launcher):
    """Hand cells to Ray, on a cluster that is there or on one of this machine alone.

    Results and cache must lie on a file system that all nodes share.
    """

    name = "ray"
    away = True
    citation = "Moritz et al., Ray: A Distributed Framework for Emerging AI Applications, OSDI 2018 (Apache-2.0)"
    address: str = ""
    """Of a cluster, such as 'auto'; empty starts one on this machine for the run."""
    cpus: float = 1.0
    """Cores of a cell."""
    gpus: float = 0.0
    """Share of a graphics card that a cell takes: with 0.5 two cells share one."""

    def require_ready(self) -> None:
        """Ask for ray."""
        _ray()

    def launch(self, cells: Sequence[RunSpec], run_cell: Callable[[RunSpec], None]) -> None:
        """Run all cells as tasks, and wait until each was run or its worker is lost."""
        ray = _ray()
        ours = not ray.is_initialized()
        if ours:
            self._begin(ray)
        try:
            task = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=0)(_run)
            given = ray.put(run_cell)
            waiting = [task.remote(given, cell) for cell in cells]
            while waiting:
                done, waiting = ray.wait(waiting)
                try:
                    ray.get(done)
                except ray.exceptions.RayError:
                    continue  # its cell is left without a record; the harness says so, and the others go on
        finally:
            if ours:
                ray.shutdown()

    def _begin(self, ray: Any) -> None:
        """Join the cluster, or start one here."""
        try:
            ray.init(address=self.address or None, include_dashboard=False, log_to_driver=False, logging_level="error")
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = str(error).partition("\n")[0]
            raise OptionError(
                f"Ray did not start ({reason}). Correct -l address={self.address}, or leave it out for a cluster of "
                "this machine alone."
            ) from None


def _run(run_cell: Callable[[RunSpec], None], cell: RunSpec) -> None:
    run_cell(cell)


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise OptionError("Launcher 'ray' needs the package ray. Install it: pip install 'freeshot[ray]'.") from None
    return ray
