"""Execute a plan: run cells through a launcher, one process per cell and results folder at a time."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from freeshot.basics.errors import MissingPoolError, StoreError
from freeshot.contracts.events import CellFailed, CellFinished, CellSkipped, Event
from freeshot.launch.event_log import EventLogReader, told
from freeshot.launch.plan import launcher_of
from freeshot.launch.preflight import require_ready
from freeshot.launch.worker import CellWorker
from freeshot.pipeline.context import RunContext
from freeshot.plugin import hookimpl
from freeshot.plugin.registered import listening

if TYPE_CHECKING:
    from collections.abc import Sequence

    from freeshot.launch.plan import Plan
    from freeshot.pipeline.request import RunRequest
    from freeshot.plugin.catalogue import Catalogue
    from freeshot.records.models import RunSpec


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
    environment = RunContext.of(request, catalogue, here=not launcher.remote)
    require_ready([cell for cell in plan.cells if cell.state == "todo"], environment, request.results)
    tracks = {cell.spec.cell: cell.track for cell in plan.cells}
    todo = [cell.spec for cell in plan.cells if cell.state != "done"]
    mail = _mail(request.cache)
    mailbox = EventLogReader(mail)
    runner = CellWorker.at(environment, request, tracks, mail)
    try:
        with listening(catalogue.host.manager, _Ends()) as ends:
            with told(mailbox, environment.emit):
                launcher.launch(todo, runner)
            elsewhere = [spec for spec in todo if spec.cell not in runner.ran]
            _tell_of_the_lost(environment, elsewhere, mailbox)
    finally:
        shutil.rmtree(mail, ignore_errors=True)
    skipped = ends.count(CellSkipped) + len(plan.cells) - len(todo)
    return Outcome(ends.count(CellFinished), ends.count(CellFailed), skipped)


@dataclass(eq=False)
class _Ends:
    """Collects the final events of cells."""

    heard: list[Event] = field(default_factory=list)

    @hookimpl
    def freeshot_event(self, event: Event) -> None:
        """Store final events."""
        if isinstance(event, (CellFinished, CellFailed, CellSkipped)):
            self.heard.append(event)

    def count(self, kind: type[Event]) -> int:
        """Count the cells with this final event."""
        return sum(isinstance(event, kind) for event in self.heard)


def _tell_of_the_lost(environment: RunContext, cells: Sequence[RunSpec], mailbox: EventLogReader) -> None:
    """Report cells without a final event: their process was killed, ran out of memory, or never started."""
    for spec in cells:
        if not isinstance(mailbox.last.get(spec.cell), (CellFinished, CellFailed, CellSkipped)):
            environment.emit(
                CellFailed(spec.title, "The worker died or never started. Rerun the command.", id=spec.cell)
            )


def _mail(cache: Path) -> Path:
    """Create the folder of this run's event logs."""
    try:
        (cache / "mail").mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=cache.absolute() / "mail"))
    except OSError as error:
        raise StoreError(f"The cache {cache} cannot be written ({error.strerror}). Choose another --cache.") from None
