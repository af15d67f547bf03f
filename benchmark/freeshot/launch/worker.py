"""The callable with which launchers run cells: in this process, or in any other that can read the same folders."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from freeshot.basics.errors import FreeshotError, StoreError
from freeshot.basics.failures import failure_of
from freeshot.basics.files import fingerprint
from freeshot.basics.system import WEIGHTS, weights_folder
from freeshot.contracts.events import CellFailed, CellSkipped
from freeshot.launch.event_log import EventLogWriter
from freeshot.launch.request import RunRequest
from freeshot.pipeline.cell import invert_pool_of, run_cell
from freeshot.pipeline.context import RunContext
from freeshot.pipeline.resolve import PlannedCell
from freeshot.plugin.host import Selection, registered
from freeshot.pool.locate import absolute_pool_name
from freeshot.records.models import RunRecord, RunSpec, Status
from freeshot.records.store import is_finished, stored_record


@dataclass(frozen=True, eq=False)
class InversionJob:
    """Invert LoRAs of a cell's pool while another process runs the cell."""

    cell: PlannedCell


@dataclass(frozen=True, eq=False)
class CellWorker:
    """Runs a cell when called.

    Pickled and called in another process it loads the same plugins, uses the same folders (absolute paths), and sends
    its events through the event log.
    """

    request: RunRequest
    plugins: Selection
    weights: Path
    """Folder of weight files."""
    reports: Path
    """Folder of this run's event logs, and of files with the status of each cell that ended."""
    _context: RunContext | None
    """The opened resources of the process in which the worker was made."""

    @classmethod
    def at(cls, context: RunContext, request: RunRequest, reports: Path) -> CellWorker:
        """Create a worker for this process, with its opened resources."""
        folders: dict[str, Any] = {
            name: getattr(request, name).absolute() for name in ("results", "cache", "data", "pools")
        }
        if request.pool is not None:
            folders["pool"] = absolute_pool_name(request.pool, context.catalogue, request.pools)
        plugins, weights = context.catalogue.host.selection, weights_folder().absolute()
        return cls(replace(request, **folders), plugins, weights, reports, context)

    def __getstate__(self) -> dict[str, Any]:
        """Drop the resources of this process."""
        return {**vars(self), "_context": None}

    def __call__(self, job: PlannedCell | InversionJob) -> None:
        """Run a cell; its record has the result, and the folder of reports its status."""
        if isinstance(job, InversionJob):
            invert_pool_of(self._context or self._opened(), job.cell)
            return
        status = self._run_elsewhere(job) if self._context is None else run_alone(self._context, job, self.request)
        (self.reports / f"{job.id}.status").write_text(status, encoding="utf-8")

    def status_of(self, cell: PlannedCell) -> str:
        """Return the status with which a cell ended; '' if its process died or never started."""
        try:
            return (self.reports / f"{cell.id}.status").read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def _run_elsewhere(self, cell: PlannedCell) -> Status:
        """Run a cell in another process than that which shows its events."""
        log = EventLogWriter(self.reports / f"{cell.id}.jsonl")
        try:
            context = self._opened()
            with registered(context.catalogue.host.manager, log):
                return run_alone(context, cell, self.request)
        except FreeshotError as error:  # an unreadable or unwritable folder; the main process must get the event
            log.freeshot_event(CellFailed(cell.title, str(error), id=cell.id))
            return "failed"

    def _opened(self) -> RunContext:
        """Open the shared resources of cells in another process."""
        os.environ[WEIGHTS] = str(self.weights)  # processes of a cluster may start without our variables
        return _context_of(self.plugins, self.request)


@cache
def _context_of(plugins: Selection, request: RunRequest) -> RunContext:
    """Open the shared resources of cells in this process, once."""
    from freeshot.data.user_dataset import register_user_datasets
    from freeshot.plugin.catalogue import Catalogue

    host = plugins.load()
    register_user_datasets(host, request.data)
    return request.context(Catalogue(host))


def run_alone(context: RunContext, cell: PlannedCell, request: RunRequest) -> Status:
    """Run a cell under its lock, which the operating system releases if the process is killed; return its status."""
    from filelock import FileLock, Timeout

    locks = context.cache / "locks"
    try:
        locks.mkdir(parents=True, exist_ok=True)
        lock = FileLock(locks / lock_name(cell.spec, request.results))
        lock.acquire(timeout=0)
    except Timeout:
        context.emit(CellSkipped(cell.title, "another process is running it", id=cell.id))
        return "skipped"
    except OSError as error:
        raise StoreError(
            f"The cache {context.cache} cannot be written ({error.strerror}). Choose another --cache."
        ) from None
    try:
        if not request.rerun and is_finished(stored_record(request.results, cell.spec)):
            context.emit(CellSkipped(cell.title, "it was finished in the meantime", id=cell.id))
            return "skipped"
        return _run_wrapped(context, cell, request.results)
    finally:
        lock.release()


def lock_name(spec: RunSpec, results: Path) -> str:
    """Return the lock's file name; it includes the results folder, because each folder needs its own record."""
    return f"{fingerprint([spec.cell, str(results.resolve())])}.lock"


def _run_wrapped(context: RunContext, cell: PlannedCell, results: Path) -> Status:
    """Run a cell inside the wrappers of plugins, of which this is the innermost implementation; return its status."""
    hook = context.catalogue.host.manager.hook.freeshot_cell
    failure = None
    try:
        records = hook.call_extra([lambda spec: run_cell(context, cell, results)], {"spec": cell.spec})
        for record in records or ():
            if isinstance(record, RunRecord):
                return record.status
        reason = "A freeshot_cell wrapper returned no record."
    except FreeshotError:
        raise
    except Exception as error:  # noqa: BLE001 - third-party wrappers may raise anything and must not stop other cells
        failure = failure_of(error, context.catalogue.host.packages)
        reason = f"A freeshot_cell wrapper raised {failure.reason}"
    context.emit(CellFailed(cell.title, reason, failure, id=cell.id))
    return "failed"
