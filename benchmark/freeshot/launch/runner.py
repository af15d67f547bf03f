"""Execute a plan: run cells through a launcher, one process per cell and results folder at a time."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from freeshot.basics.errors import MissingPoolError, StoreError
from freeshot.contracts.events import CellFailed
from freeshot.launch.event_log import EventLogReader, forwarded
from freeshot.launch.plan import Plan, launcher_of
from freeshot.launch.preflight import require_ready
from freeshot.launch.request import RunRequest
from freeshot.launch.worker import CellWorker, InversionJob
from freeshot.pipeline.context import RunContext
from freeshot.pipeline.pool_inversion import inverts
from freeshot.pipeline.resolve import PlannedCell
from freeshot.plugin.catalogue import Catalogue


@dataclass
class Outcome:
    """Number of cells by how they ended."""

    finished: int = 0
    failed: int = 0
    skipped: int = 0


def execute_plan(plan: Plan, request: RunRequest, catalogue: Catalogue) -> Outcome:
    """Run every unfinished cell; cells that another process is running are skipped."""
    if plan.missing:
        raise MissingPoolError("; ".join(plan.missing))
    launcher = launcher_of(request, catalogue)
    launcher.require_ready()
    context = request.context(catalogue, here=not launcher.remote)
    require_ready([cell for cell in plan.cells if cell.state == "todo"], context, request.results)
    cells = [cell for cell in plan.cells if cell.state != "done"]
    reports = _new_folder(request.cache)
    worker = CellWorker.at(context, request, reports)
    try:
        with forwarded(EventLogReader(reports), context.emit):
            launcher.launch([*cells, *_inversions(cells, launcher.processes - len(cells))], worker)
        ended = Counter(worker.status_of(cell) or _lost(context, cell) for cell in cells)
    finally:
        shutil.rmtree(reports, ignore_errors=True)
    finished_before = len(plan.cells) - len(cells)
    return Outcome(ended["ok"], ended["failed"] + ended["violated"], ended["skipped"] + finished_before)


def _inversions(cells: Sequence[PlannedCell], count: int) -> list[InversionJob]:
    """Return work for processes without a cell of their own: the pools that cells invert."""
    inverting = [cell for cell in cells if cell.state == "todo" and inverts(cell)]
    return [InversionJob(inverting[number % len(inverting)]) for number in range(count) if inverting]


def _lost(context: RunContext, cell: PlannedCell) -> str:
    """Report a cell without a status: its process was killed, ran out of memory, or never started."""
    context.emit(CellFailed(cell.title, "The worker died or never started. Rerun the command.", id=cell.id))
    return "failed"


def _new_folder(cache: Path) -> Path:
    """Create the folder of this run's reports."""
    try:
        (cache / "runs").mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=cache.absolute() / "runs"))
    except OSError as error:
        raise StoreError(f"The cache {cache} cannot be written ({error.strerror}). Choose another --cache.") from None
