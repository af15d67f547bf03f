"""Launcher for Ray tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from freeshot.basics.errors import OptionError
from freeshot.contracts.launcher import Launcher


@dataclass(frozen=True)
class RayLauncher(Launcher):
    """Run cells as Ray tasks, on an existing cluster or a local one.

    Results and cache must be on a file system that all nodes share.
    """

    name = "ray"
    remote = True
    citation = "Moritz et al., Ray: A Distributed Framework for Emerging AI Applications, OSDI 2018 (Apache-2.0)"
    address: str = ""
    """Address of a cluster, such as 'auto'; empty starts a local one for the run."""
    cpus: float = 1.0
    """CPU cores per cell."""
    gpus: float = 0.0
    """GPUs per cell: with 0.5 two cells share one."""

    def require_ready(self) -> None:
        """Require the package ray."""
        _ray()

    def launch(self, cells: Sequence[Any], run_cell: Callable[[Any], None]) -> None:
        """Run all cells as tasks, and wait until each has run or its worker is lost."""
        ray = _ray()
        started = not ray.is_initialized()
        if started:
            self._begin(ray)
        try:
            task = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=0)(_run)
            reference = ray.put(run_cell)
            waiting = [task.remote(reference, cell) for cell in cells]
            while waiting:
                done, waiting = ray.wait(waiting)
                try:
                    ray.get(done)
                except ray.exceptions.RayError:
                    continue  # the harness reports cells without a record, and the others continue
        finally:
            if started:
                ray.shutdown()

    def _begin(self, ray: Any) -> None:
        """Join the cluster, or start a local one."""
        try:
            ray.init(address=self.address or None, include_dashboard=False, log_to_driver=False, logging_level="error")
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = str(error).partition("\n")[0]
            raise OptionError(
                f"Ray did not start ({reason}). Correct -l address={self.address}, or leave it out for a cluster on "
                "this machine alone."
            ) from None


def _run(run_cell: Callable[[Any], None], cell: Any) -> None:
    run_cell(cell)


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise OptionError("Launcher 'ray' needs the package ray. Install it: pip install 'freeshot[ray]'.") from None
    return ray
