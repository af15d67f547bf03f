"""Run what was planned: one process per results folder at a time on each cell, cells through a launcher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import FreeshotError, StoreError
from freeshot.contracts.events import CellFailed, CellSkipped
from freeshot.contracts.records import RunRecord
from freeshot.engine.devices import choose_device
from freeshot.plugin import hookimpl
from freeshot.run.cell import run_cell
from freeshot.run.environment import Environment
from freeshot.run.parts import part_of
from freeshot.run.store import is_done, stored_record

if TYPE_CHECKING:
    from freeshot.contracts.launcher import Launcher
    from freeshot.contracts.records import RunSpec
    from freeshot.contracts.tracks import Track
    from freeshot.plugin.catalogue import Catalogue
    from freeshot.run.plan import Plan
    from freeshot.run.request import RunRequest


@dataclass
class Outcome:
    """How the cells of a run ended."""

    finished: int = 0
    failed: int = 0
    skipped: int = 0


def execute_plan(plan: Plan, request: RunRequest, catalogue: Catalogue) -> Outcome:
    """Run every cell that is not done; a cell that another process is running is left to it."""
    environment = Environment(catalogue, request.cache, request.data, choose_device(request.device))
    tracks = {cell.spec.cell: cell.track for cell in plan.cells}
    todo = [cell.spec for cell in plan.cells if cell.state != "done"]
    outcome = Outcome(skipped=len(plan.cells) - len(todo))

    def one(spec: RunSpec) -> None:
        _run_alone(environment, spec, tracks[spec.cell], request, outcome)

    launcher: Any = part_of(catalogue, "launcher", request.launcher, {})[1]
    _as_launcher(launcher).launch(todo, one)
    return outcome


def _run_alone(environment: Environment, spec: RunSpec, track: Track, request: RunRequest, outcome: Outcome) -> None:
    """Hold the cell's lock while it runs; the operating system lets go of it even if we are killed."""
    from filelock import FileLock, Timeout

    locks = environment.cache / "locks"
    try:
        locks.mkdir(parents=True, exist_ok=True)
        lock = FileLock(locks / f"{spec.cell}.lock")
        lock.acquire(timeout=0)
    except Timeout:
        outcome.skipped += 1
        environment.emit(CellSkipped(spec.title, "another process is running it"))
        return
    except OSError as error:
        raise StoreError(
            f"The cache {environment.cache} cannot be written ({error.strerror}). Choose another --cache."
        ) from None
    try:
        if not request.again and is_done(stored_record(request.results, spec)):
            outcome.skipped += 1  # somebody finished it since it was planned
            return
        status = _wrapped(environment, spec, track, request)
        outcome.finished += status == "ok"
        outcome.skipped += status == "skipped"
        outcome.failed += status in ("failed", "violated")
    finally:
        lock.release()


def _wrapped(environment: Environment, spec: RunSpec, track: Track, request: RunRequest) -> str:
    """Run a cell inside of the wrappers that plugins put around cells; ours is the innermost implementation."""
    manager = environment.catalogue.host.manager
    core = _Core(environment, track, request)
    manager.register(core)
    try:
        records = manager.hook.freeshot_cell(spec=spec)
    except FreeshotError:
        raise
    except Exception as error:  # noqa: BLE001 - a wrapper is a stranger's code; it must not cost the other cells
        environment.emit(CellFailed(spec.title, f"A freeshot_cell wrapper raised {type(error).__name__}: {error}"))
        return "failed"
    finally:
        manager.unregister(core)
    return next((record.status for record in records or () if isinstance(record, RunRecord)), "failed")


@dataclass(frozen=True, eq=False)
class _Core:
    """The run of one cell, as a hook implementation."""

    environment: Environment
    track: Track
    request: RunRequest

    @hookimpl
    def freeshot_cell(self, spec: RunSpec) -> RunRecord:
        """Run the cell."""
        return run_cell(self.environment, spec, self.track, self.request.results)


def _as_launcher(component: object) -> Launcher:
    from freeshot.contracts.launcher import Launcher

    assert isinstance(component, Launcher)
    return component
