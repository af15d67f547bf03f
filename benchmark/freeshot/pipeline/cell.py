"""One cell from spec to record: prepare the method, evaluate its learner on the test episodes, audit, record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from freeshot.basics.access_guard import Violations, access_blocked
from freeshot.basics.errors import ContractError, PoolError, StoreError
from freeshot.basics.failures import Failure, failure_of
from freeshot.basics.files import write_text
from freeshot.contracts.events import StageFinished, StageStarted
from freeshot.contracts.method import Learner, Method
from freeshot.engine.metering.meter import metered
from freeshot.evaluation.scoring import require_varied
from freeshot.pipeline.audit import CellAudit, audited, require_tuning_free
from freeshot.pipeline.context import RunContext
from freeshot.pipeline.evaluate import Evaluation, episode_checkpoint
from freeshot.pipeline.integrity import HarnessFunctions, Untouched
from freeshot.pipeline.pool_inversion import PoolInversion
from freeshot.pipeline.record import (
    CellOutcome,
    failure_file,
    final_event,
    make_record,
    measures,
    predictions,
    write_record,
)
from freeshot.pipeline.resolve import PlannedCell
from freeshot.pipeline.stages import Stages
from freeshot.pipeline.workbench import Bench, RestrictedWorkbench
from freeshot.records.models import RunRecord, StageCost
from freeshot.records.predictions import CellPredictions, stored_at
from freeshot.records.store import record_path


@dataclass(eq=False)
class CellRun:
    """One cell, run top to bottom: prepare, evaluate, audit, record.

    Any plugin error becomes a record with the reason. A cell in which the harness refused or detected a violation is
    violated, whether or not the method caught the error. Only errors that prevent writing (StoreError) and interrupts
    are raised.
    """

    context: RunContext
    cell: PlannedCell
    results: Path
    """Folder of the record."""
    save_predictions: bool = False
    """Whether to write the predictions of all queries beside the record."""
    method: Method = field(init=False)
    violations: Violations = field(default_factory=Violations)
    """What the method did, or tried to do, that the rules forbid."""
    stages: Sequence[StageCost] = ()
    """Costs of the stages so far."""
    evaluating: bool = False
    """Whether scoring on test episodes has begun: from then on the evaluation counts, even if it fails."""
    scored: bool = False
    """Whether all episodes were scored, and only the audit remains."""
    audit: CellAudit | None = None
    predictions: CellPredictions | None = None
    failure: Failure | None = None
    """The exception that ended the cell, if one did."""

    def __post_init__(self) -> None:
        self.method = self.context.component(self.cell.spec.method)

    def run(self) -> RunRecord:
        """Run the cell, write its record, and emit its final event."""
        functions = HarnessFunctions.now()
        try:
            if (reason := self.method.skip(self.cell.track)) is not None:
                outcome = CellOutcome("skipped", reason=reason)
            else:
                self._require_planned_pool()
                bench = Bench(self.context, self.cell, self.method)
                self.stages = bench.stages
                untouched = Untouched(self.context, self.cell.spec, functions)
                with access_blocked(self.violations), metered(self.context.device) as whole:
                    learner = self.method.prepare(RestrictedWorkbench(bench))
                bench.ledger.charge_rest(whole)  # the time outside of stages
                self._require_sound(learner, untouched)
                fields = self._evaluate(bench, learner)
                self._require_audited(untouched)
                outcome = CellOutcome("ok", fields, learner.tuning_free, type(learner).transductive)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything; it is recorded, other cells continue
            outcome = self._unfinished(error)
        finally:
            for name in functions.restored():
                self.violations.note(
                    f"Method '{self.method.name}' replaced {name}, which the harness uses for scoring."
                )
        return self._record(outcome)

    def _record(self, outcome: CellOutcome) -> RunRecord:
        """Write the record of the cell, and emit its final event."""
        outcome = outcome.with_violations(self.violations)
        if outcome.status in ("failed", "violated"):
            self.context.forget(self.cell.spec.backbone)  # the failed method may have modified it
        if self.predictions is not None and outcome.status == "ok":  # first, because the record ends the cell
            self.predictions.write(stored_at(record_path(self.results, self.cell.spec)))
        record = write_record(self.results, make_record(self, outcome))
        if self.scored:
            episode_checkpoint(self.context, self.cell).clear()
        self.context.emit(final_event(self.context, record, self.failure))
        return record

    def _require_sound(self, learner: object, untouched: Untouched) -> None:
        """Require a learner, and that its preparation broke no rule; ContractError otherwise."""
        if not isinstance(learner, Learner):
            raise ContractError(
                f"Method '{self.method.name}' must prepare a Learner, but returned {type(learner).__name__}."
            )
        untouched.require(self.method)
        if self.violations:
            raise ContractError(str(self.violations))

    def _require_audited(self, untouched: Untouched) -> None:
        """Require that scoring broke no rule and that the audit found no dependence; ContractError otherwise."""
        untouched.require(self.method)
        if self.audit is not None and self.audit.reasons:
            raise ContractError(" ".join(self.audit.reasons))

    def _evaluate(self, bench: Bench, learner: Learner) -> Mapping[str, Any]:
        """Score the test episodes, audit the predictions, and return the record's measures."""
        context, cell = self.context, self.cell
        context.emit(StageStarted(cell.title, "evaluation", cell.episodes, id=cell.id))
        evaluation = Evaluation.of(context, cell, learner)
        self.evaluating = True
        with closing(learner), access_blocked(self.violations):
            with metered(context.device) as cost:
                result = evaluation.run(cost)
            require_varied(result.outcomes, cell.track.way)
            require_tuning_free(learner, cost)
            self.scored = True
            fields = measures(evaluation, result) | {"task_cost": evaluation.task_cost(result, cost)}
            self.audit = audited(evaluation, result)
        self.predictions = predictions(evaluation, result) if self.save_predictions else None
        context.emit(StageFinished(cell.title, "evaluation", cost.seconds, id=cell.id))
        if bench.oracles_given:
            facts = {"queries": sum(oracle.queries for oracle in bench.oracles_given)}
            bench.stages.append(StageCost(stage="queries", seconds=0, peak_bytes=0, flops=0, facts=facts))
        peak = max(cost.peak_bytes, result.cached_peak_bytes)
        spent = {"seconds": cost.seconds, "peak_bytes": peak, "flops": cost.flops, "joules": cost.joules}
        bench.stages.append(StageCost.model_validate({"stage": "evaluation", **spent}))
        return fields

    def _require_planned_pool(self) -> None:
        """Refuse a user's own pool that changed since the cell was planned."""
        planned, pool = self.cell.spec.track.pool_sha256, self.cell.track.pool
        if planned and self.context.locate(pool).identity != planned:
            raise PoolError(f"The pool '{pool}' changed since this run began. Rerun the command.")

    def _unfinished(self, error: Exception) -> CellOutcome:
        """Return the outcome of a cell that ended with an error, and store the traceback in the cache.

        A broken contract is a violation, anything else a failure. Records hold only one sentence.
        """
        self.failure = failure_of(error, self.context.catalogue.host.packages)
        write_text(failure_file(self.context, self.cell.spec), self.failure.traceback)
        if isinstance(error, ContractError):
            return CellOutcome("violated", reason=self.failure.reason)
        where = "While the audit scored episodes again: " if self.scored else ""
        return CellOutcome("failed", reason=where + self.failure.reason)


def invert_pool_of(context: RunContext, cell: PlannedCell) -> None:
    """Invert LoRAs of a cell's pool that no other process is inverting, so that the cell finds them in the cache.

    Writes no record and emits no event. Errors are ignored, because the process that runs the cell meets them too.
    """
    try:
        backbone = context.backbone(cell.spec.backbone)
        inversion = PoolInversion.planned(context, cell, context.pool(cell.track.pool, backbone))
        with access_blocked():
            inversion.invert_free(Stages(cell, context.artifacts, backbone.device))
    except Exception:  # noqa: BLE001 - see above
        context.forget(cell.spec.backbone)
