"""One cell from spec to record: prepare the method, evaluate its learner on the test episodes, audit, record."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from freeshot.basics.access_guard import Violations, access_blocked
from freeshot.basics.errors import ContractError, PoolError, StoreError
from freeshot.basics.failures import failure_of
from freeshot.basics.files import write_text
from freeshot.contracts.events import StageFinished, StageStarted
from freeshot.contracts.method import Learner
from freeshot.engine.metering.meter import metered
from freeshot.evaluation.scoring import embed_used, require_varied
from freeshot.pipeline.audit import audited, require_tuning_free
from freeshot.pipeline.cell_outcome import CellOutcome
from freeshot.pipeline.cell_record import announce, failure_file, make_record, written
from freeshot.pipeline.evaluate import evaluate, task_cost
from freeshot.pipeline.evaluate_finetuned import checkpoint_of
from freeshot.pipeline.feature_cache import feature_cache_of
from freeshot.pipeline.integrity import HarnessFunctions, Untouched
from freeshot.pipeline.record_fields import measures
from freeshot.pipeline.restricted_workbench import RestrictedWorkbench
from freeshot.pipeline.workbench import Bench
from freeshot.records.models import RunRecord, StageCost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from freeshot.basics.failures import Failure
    from freeshot.contracts.dataset import Images
    from freeshot.contracts.method import Method
    from freeshot.contracts.tensors import Episode
    from freeshot.contracts.tracks import Track
    from freeshot.pipeline.context import RunContext
    from freeshot.records.models import RunSpec


def run_cell(context: RunContext, spec: RunSpec, track: Track, results: Path) -> RunRecord:
    """Run a cell and write its record; any plugin error becomes a record with the reason.

    A cell in which the harness refused or detected a violation is violated, whether or not the method caught the error.
    Only errors that prevent writing (StoreError) and interrupts are raised.
    """
    run = CellRun(context, spec, track)
    outcome = run.run()
    record = written(results, make_record(context, spec, run.method, outcome, run.bench))
    if run.bench is not None and run.bench.scored:
        checkpoint_of(context, spec).clear()
    announce(context, record, run.failure)
    return record


@dataclass(eq=False)
class CellRun:
    """One cell, run top to bottom."""

    context: RunContext
    spec: RunSpec
    track: Track
    method: Method = field(init=False)
    violations: Violations = field(default_factory=Violations)
    """What the method did, or tried to do, that the rules forbid."""
    bench: Bench | None = None
    failure: Failure | None = None
    """The exception that ended the cell, if one did."""

    def __post_init__(self) -> None:
        self.method = self.context.component(self.spec.method)

    def run(self) -> CellOutcome:
        """Prepare, evaluate and audit; return what came of it, and restore everything the method replaced."""
        functions = HarnessFunctions.now()
        try:
            outcome = self._attempt(functions)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything; it is recorded, other cells continue
            outcome = self._unfinished(error)
        finally:
            for name in functions.restored():
                self.violations.note(
                    f"Method '{self.method.name}' replaced {name}, which the harness uses for scoring."
                )
        outcome = outcome.with_violations(self.violations)
        if outcome.status in ("failed", "violated"):
            self.context.forget(self.spec.backbone)  # the failed method may have modified it
        return outcome

    def _attempt(self, functions: HarnessFunctions) -> CellOutcome:
        reason = self.method.skip(self.track)
        if reason is not None:
            return CellOutcome("skipped", reason=reason)
        self._require_planned_pool()
        bench = self.bench = Bench(self.context, self.spec, self.track, self.method)
        untouched = Untouched(self.context, self.spec, functions)
        learner = self._prepare(bench)
        untouched.require(self.method)
        if self.violations:
            raise ContractError(str(self.violations))
        fields = self._evaluate(bench, learner)
        untouched.require(self.method)
        if bench.audit is not None and bench.audit.reasons:
            raise ContractError(" ".join(bench.audit.reasons))
        return CellOutcome("ok", fields, learner.tuning_free, type(learner).transductive)

    def _prepare(self, bench: Bench) -> Learner:
        """Let the method prepare its learner; time outside of stages is charged as a stage of its own."""
        with access_blocked(self.violations), metered(self.context.device) as whole:
            learner = self.method.prepare(RestrictedWorkbench(bench))
        bench.ledger.charge_rest(whole)
        if not isinstance(learner, Learner):
            raise ContractError(
                f"Method '{self.method.name}' must prepare a Learner, but returned {type(learner).__name__}."
            )
        return learner

    def _evaluate(self, bench: Bench, learner: Learner) -> Mapping[str, Any]:
        """Score the test episodes, audit the predictions, and return the record's measures."""
        context, spec = self.context, self.spec
        context.emit(StageStarted(spec.title, "evaluation", spec.limit or self.track.episodes, id=spec.cell))
        images, episodes = open_test_data(context, spec, self.track)
        bench.looked = True  # from here on the evaluation counts, even if it fails
        with closing(learner), access_blocked(self.violations):
            with metered(context.device) as cost:
                result = evaluate(context, spec, learner, images, episodes, cost)
            require_varied(result.judged, self.track.way)
            require_tuning_free(learner, cost)
            bench.scored = True
            task = task_cost(result, cost, learner, episodes)
            fields = measures(result, self.track, images, episodes) | {"task": task}
            bench.audit = audited(context, spec, learner, result, images, episodes)
        context.emit(StageFinished(spec.title, "evaluation", cost.seconds, id=spec.cell))
        if bench.asked:
            facts = {"queries": sum(oracle.queries for oracle in bench.asked)}
            bench.stages.append(StageCost(stage="queries", seconds=0, peak_bytes=0, flops=0, facts=facts))
        peak = max(cost.peak_bytes, result.recalled_bytes)
        spent = {"seconds": cost.seconds, "peak_bytes": peak, "flops": cost.flops, "joules": cost.joules}
        bench.stages.append(StageCost.model_validate({"stage": "evaluation", **spent}))
        return fields

    def _require_planned_pool(self) -> None:
        """Refuse a user's own pool that changed since the cell was planned."""
        planned = self.spec.track.pool_sha256
        if planned and self.context.place(self.track.pool).identity != planned:
            raise PoolError(f"The pool '{self.track.pool}' changed since this run began. Rerun the command.")

    def _unfinished(self, error: Exception) -> CellOutcome:
        """Return the outcome of a cell that ended with an error, and store the traceback in the cache.

        A broken contract is a violation, anything else a failure. Records hold only one sentence.
        """
        self.failure = failure_of(error, self.context.catalogue.host.packages)
        write_text(failure_file(self.context, self.spec), self.failure.traceback)
        if isinstance(error, ContractError):
            return CellOutcome("violated", reason=self.failure.reason)
        in_audit = self.bench is not None and self.bench.scored
        where = "While the audit scored episodes again: " if in_audit else ""
        return CellOutcome("failed", reason=where + self.failure.reason)


def open_test_data(context: RunContext, spec: RunSpec, track: Track) -> tuple[Images, Sequence[Episode]]:
    """Open a track's test images at the backbone's size, and the requested episodes."""
    images = context.images(track.dataset, track.split, context.backbone(spec.backbone).image_size)
    return images, context.episodes(track)[: spec.limit or track.episodes]


def assist_cell(context: RunContext, spec: RunSpec, track: Track) -> None:
    """Compute a cell's shareable work (inversions, features) in a helper process.

    Scores no episode and writes no record. Errors are ignored, because the process that runs the cell meets them too.
    """
    try:
        method: Method = context.component(spec.method)
        if method.skip(track) is not None:
            return
        bench = Bench(context, spec, track, method)
        untouched = Untouched(context, spec, HarnessFunctions.now())
        with access_blocked():
            learner = method.prepare(RestrictedWorkbench(bench))
        untouched.require(method)
        if not learner.embeds:
            return
        images, episodes = open_test_data(context, spec, track)
        with closing(learner), access_blocked(), metered(context.device) as cost:
            features = feature_cache_of(context, spec, learner, images, cost)
            embed_used(learner, images, episodes, context.device, recall=features.compute_unclaimed_blocks)
    except Exception:  # noqa: BLE001 - see above
        context.forget(spec.backbone)
