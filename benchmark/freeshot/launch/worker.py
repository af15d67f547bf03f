"""The callable with which launchers run cells: in this process, or in any other that can read the same folders."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import FreeshotError, StoreError
from freeshot.basics.failures import failure_of
from freeshot.basics.files import fingerprint
from freeshot.basics.system import WEIGHTS, weights_folder
from freeshot.contracts.events import CellFailed, CellSkipped
from freeshot.launch.event_log import EventLogReader, EventLogWriter
from freeshot.pipeline.cell import assist_cell, run_cell
from freeshot.pipeline.context import RunContext
from freeshot.pipeline.resolve_pool import absolute_pool_name
from freeshot.plugin import hookimpl
from freeshot.plugin.registered import listening
from freeshot.records.models import RunRecord
from freeshot.records.store import is_finished, stored_record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from freeshot.contracts.tracks import Track
    from freeshot.pipeline.request import RunRequest
    from freeshot.plugin.catalogue import Catalogue
    from freeshot.plugin.host import Selection
    from freeshot.records.models import RunSpec


@dataclass(frozen=True, eq=False)
class CellWorker:
    """Runs a cell when called.

    Pickled and called in another process it loads the same plugins, uses the same folders (absolute paths), and sends
    its events through the event log.
    """

    request: RunRequest
    tracks: Mapping[str, Track]
    """Cell → track."""
    plugins: Selection
    mail: Path
    weights: Path
    """Folder of weight files."""
    _here: RunContext | None
    ran: set[str] = field(default_factory=set)
    """Cells that were run in this process."""

    @classmethod
    def at(cls, environment: RunContext, request: RunRequest, tracks: Mapping[str, Track], mail: Path) -> CellWorker:
        """Create a runner for this process, with its opened resources."""
        folders: dict[str, Any] = {
            name: getattr(request, name).absolute() for name in ("results", "cache", "data", "pools")
        }
        if request.pool is not None:
            folders["pool"] = absolute_pool_name(request.pool, environment.catalogue, request.pools)
        plugins, weights = environment.catalogue.host.selection, weights_folder().absolute()
        return cls(replace(request, **folders), tracks, plugins, mail, weights, environment)

    def __getstate__(self) -> dict[str, Any]:
        """Drop the resources of this process."""
        return {**vars(self), "_here": None}

    def __call__(self, spec: RunSpec) -> None:
        """Run a cell; the result is written to its record or the event log."""
        if self._here is not None:
            self.ran.add(spec.cell)
            run_alone(self._here, spec, self.tracks[spec.cell], self.request)
            return
        letters = EventLogWriter(EventLogReader(self.mail).path(spec.cell))
        try:
            environment = self._there()
            with listening(environment.catalogue.host.manager, letters):
                run_alone(environment, spec, self.tracks[spec.cell], self.request)
        except FreeshotError as error:  # an unreadable or unwritable folder; the main process must get the event
            letters.freeshot_event(CellFailed(spec.title, str(error), id=spec.cell))

    def assist(self, spec: RunSpec) -> None:
        """Help another process with a cell's shareable work; writes no record and no event."""
        if is_finished(stored_record(self.request.results, spec)) and not self.request.rerun:
            return
        environment = replace(self._there(), quiet=True)
        assist_cell(environment, spec, self.tracks[spec.cell])

    def _there(self) -> RunContext:
        """Open the shared resources of cells in another process."""
        os.environ[WEIGHTS] = str(self.weights)  # processes of a cluster may start without our variables
        return _environment(self.plugins, self.request)


@cache
def _environment(plugins: Selection, request: RunRequest) -> RunContext:
    """Open the shared resources of cells in this process, once."""
    from freeshot.data.user_dataset import offer_own
    from freeshot.plugin.catalogue import Catalogue

    host = plugins.load()
    offer_own(host, request.data)
    catalogue: Catalogue = Catalogue(host)
    return RunContext.of(request, catalogue)


def run_alone(environment: RunContext, spec: RunSpec, track: Track, request: RunRequest) -> None:
    """Run a cell under its lock, which the operating system releases if the process is killed."""
    from filelock import FileLock, Timeout

    locks = environment.cache / "locks"
    try:
        locks.mkdir(parents=True, exist_ok=True)
        lock = FileLock(locks / lock_name(spec, request.results))
        lock.acquire(timeout=0)
    except Timeout:
        environment.emit(CellSkipped(spec.title, "another process is running it", id=spec.cell))
        return
    except OSError as error:
        raise StoreError(
            f"The cache {environment.cache} cannot be written ({error.strerror}). Choose another --cache."
        ) from None
    try:
        if not request.rerun and is_finished(stored_record(request.results, spec)):
            environment.emit(CellSkipped(spec.title, "it was finished in the meantime", id=spec.cell))
            return
        _wrapped(environment, spec, track, request)
    finally:
        lock.release()


def lock_name(spec: RunSpec, results: Path) -> str:
    """Return the lock's file name; it includes the results folder, because each folder needs its own record."""
    return f"{fingerprint([spec.cell, str(results.resolve())])}.lock"


def _wrapped(environment: RunContext, spec: RunSpec, track: Track, request: RunRequest) -> None:
    """Run a cell inside the wrappers of plugins; the harness's implementation is the innermost."""
    manager = environment.catalogue.host.manager
    try:
        with listening(manager, _Core(environment, track, request)):
            records = manager.hook.freeshot_cell(spec=spec)
        if not any(isinstance(record, RunRecord) for record in records or ()):
            environment.emit(CellFailed(spec.title, "A freeshot_cell wrapper returned no record.", id=spec.cell))
    except FreeshotError:
        raise
    except Exception as error:  # noqa: BLE001 - third-party wrappers may raise anything and must not stop other cells
        failure = failure_of(error, environment.catalogue.host.packages)
        environment.emit(
            CellFailed(spec.title, f"A freeshot_cell wrapper raised {failure.reason}", failure, id=spec.cell)
        )


@dataclass(frozen=True, eq=False)
class _Core:
    """The run of one cell, as a hook implementation."""

    environment: RunContext
    track: Track
    request: RunRequest

    @hookimpl
    def freeshot_cell(self, spec: RunSpec) -> RunRecord:
        """Run the cell."""
        return run_cell(self.environment, spec, self.track, self.request.results)
