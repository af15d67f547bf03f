"""The callable with which launchers run cells: in this process, or in any other that can read the same folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from freeshot.basics.errors import FreeshotError, StoreError
from freeshot.basics.failures import failure_of
from freeshot.basics.files import fingerprint
from freeshot.basics.system import WEIGHTS, weights_folder
from freeshot.contracts.events import CellFailed, CellSkipped
from freeshot.launch.event_log import EventLogWriter
from freeshot.launch.request import RunRequest
from freeshot.pipeline.cell import CellRun, invert_pool_of
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


@dataclass(eq=False)
class Report:
    """How a cell ended: by default it was not run; an empty status means that plugins' wrappers returned no record."""

    status: Status | Literal[""] = "skipped"


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
        """Run a cell in the wrappers of plugins; its record has the result, and the folder of reports its status."""
        if isinstance(job, InversionJob):
            invert_pool_of(self._context or self._opened(), job.cell)
            return
        with self._reported(job) as report, self._opened_for(job) as context, alone(context, job, self.request) as free:
            if free:
                wrappers = context.catalogue.host.manager.hook.freeshot_cell
                with wrapper_errors(context, job, report):
                    innermost = CellRun(context, job, self.request.results, self.request.save_predictions).run
                    records = wrappers.call_extra([innermost], {"spec": job.spec})
                    report.status = next((r.status for r in records or () if isinstance(r, RunRecord)), "")

    def status_of(self, cell: PlannedCell) -> str:
        """Return the status with which a cell ended; '' if its process died or never started."""
        try:
            return (self.reports / f"{cell.id}.status").read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    @contextmanager
    def _reported(self, cell: PlannedCell) -> Iterator[Report]:
        """Yield the report of a cell, and store its status; a folder that cannot be used elsewhere is an event."""
        report = Report()
        try:
            yield report
        except FreeshotError as error:
            if self._context is not None:
                raise
            log = EventLogWriter(self.reports / f"{cell.id}.jsonl")  # the main process must get the event
            log.freeshot_event(CellFailed(cell.title, str(error), id=cell.id))
            report.status = "failed"
        (self.reports / f"{cell.id}.status").write_text(report.status, encoding="utf-8")

    @contextmanager
    def _opened_for(self, cell: PlannedCell) -> Iterator[RunContext]:
        """Yield the resources of this process; in another one than the main process, events go to the cell's log."""
        if self._context is not None:
            yield self._context
            return
        context = self._opened()
        with registered(context.catalogue.host.manager, EventLogWriter(self.reports / f"{cell.id}.jsonl")):
            yield context

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


@contextmanager
def alone(context: RunContext, cell: PlannedCell, request: RunRequest) -> Iterator[bool]:
    """Hold the lock of a cell, which the operating system releases if the process is killed; yield whether to run it.

    False if another process is running it or has finished it.
    """
    from filelock import FileLock, Timeout

    locks = context.cache / "locks"
    try:
        locks.mkdir(parents=True, exist_ok=True)
        lock = FileLock(locks / lock_name(cell.spec, request.results))
        lock.acquire(timeout=0)
    except Timeout:
        context.emit(CellSkipped(cell.title, "another process is running it", id=cell.id))
        yield False
        return
    except OSError as error:
        raise StoreError(
            f"The cache {context.cache} cannot be written ({error.strerror}). Choose another --cache."
        ) from None
    try:
        finished = not request.rerun and is_finished(stored_record(request.results, cell.spec))
        if finished:
            context.emit(CellSkipped(cell.title, "it was finished in the meantime", id=cell.id))
        yield not finished
    finally:
        lock.release()


def lock_name(spec: RunSpec, results: Path) -> str:
    """Return the lock's file name; it includes the results folder, because each folder needs its own record."""
    return f"{fingerprint([spec.cell, str(results.resolve())])}.lock"


@contextmanager
def wrapper_errors(context: RunContext, cell: PlannedCell, report: Report) -> Iterator[None]:
    """Turn an exception of a plugin's wrapper, or a missing record, into an event and the status 'failed'."""
    failure = None
    try:
        yield
        if report.status:
            return
        reason = "A freeshot_cell wrapper returned no record."
    except FreeshotError:
        raise
    except Exception as error:  # noqa: BLE001 - third-party wrappers may raise anything and must not stop other cells
        failure = failure_of(error, context.catalogue.host.packages)
        reason = f"A freeshot_cell wrapper raised {failure.reason}"
    context.emit(CellFailed(cell.title, reason, failure, id=cell.id))
    report.status = "failed"
