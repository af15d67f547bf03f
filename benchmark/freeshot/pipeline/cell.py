"""One cell from spec to record: prepare, evaluate the test episodes once, write the record."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Literal

from freeshot.basics.access_guard import Violations, access_blocked
from freeshot.basics.errors import ContractError, PoolError, StoreError
from freeshot.basics.failures import failure_of
from freeshot.basics.files import write_text
from freeshot.contracts.events import CellFailed, CellFinished, CellSkipped, Progress, StageFinished, StageStarted
from freeshot.contracts.method import Learner, Needs
from freeshot.engine.metering.meter import metered
from freeshot.evaluation.episodes import episodes_sha256
from freeshot.evaluation.scoring import embed_used, head_of, require_varied, score_embedding
from freeshot.pipeline.audit import audited, require_tuning_free
from freeshot.pipeline.cell_outcome import CellOutcome
from freeshot.pipeline.evaluate_finetuned import checkpoint_of, evaluate_finetuned
from freeshot.pipeline.feature_cache import feature_cache_of
from freeshot.pipeline.integrity import HarnessFunctions, Untouched
from freeshot.pipeline.record_fields import EvaluationResult, measures
from freeshot.pipeline.resolve import needs_of
from freeshot.pipeline.restricted_workbench import RestrictedWorkbench
from freeshot.pipeline.workbench import Bench
from freeshot.records.models import DataFree, RunRecord, StageCost, Tags, TaskCost
from freeshot.records.provenance import provenance
from freeshot.records.store import record_path, stored_record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from freeshot.basics.failures import Failure
    from freeshot.contracts.backbone import BackboneProvider
    from freeshot.contracts.flow import Episode
    from freeshot.contracts.images import Images
    from freeshot.contracts.method import Method
    from freeshot.contracts.tracks import Track
    from freeshot.engine.metering.meter import Meter
    from freeshot.pipeline.context import RunContext
    from freeshot.records.models import RunSpec


def run_cell(environment: RunContext, spec: RunSpec, track: Track, results: Path) -> RunRecord:
    """Run a cell and write its record; any plugin error becomes a record with the reason.

    A cell in which the harness refused or detected a violation is violated, whether or not the method caught the error.
    Only errors that prevent writing (StoreError) and interrupts are raised.
    """
    method: Method = environment.component(spec.method)
    violations, functions = Violations(), HarnessFunctions.now()
    bench: Bench | None = None
    failure: Failure | None = None
    try:
        reason = method.skip(track)
        if reason is None:
            _require_planned_pool(environment, spec, track)
            bench = Bench(environment, spec, track, method)
            outcome = _scored(
                environment, spec, track, method, bench, Untouched(environment, spec, functions), violations
            )
        else:
            outcome = CellOutcome("skipped", reason=reason)
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything; it is recorded, and other cells continue
        failure = _kept_failure(environment, spec, error)
        outcome = _unfinished(error, failure, in_audit=bench is not None and bench.scored)
    finally:
        for name in functions.restored():
            violations.note(f"Method '{method.name}' replaced {name}, which the harness uses for scoring.")
    outcome = outcome.with_violations(violations)
    if outcome.status in ("failed", "violated"):
        environment.forget(spec.backbone)  # the failed method may have modified it
    record = _written(results, _record(environment, spec, method, outcome, bench))
    if bench is not None and bench.scored:
        checkpoint_of(environment, spec).clear()
    _announce(environment, record, failure)
    return record


def _unfinished(error: Exception, failure: Failure, *, in_audit: bool) -> CellOutcome:
    """Return the outcome of a cell that ended with an error: violated for a broken contract, else failed."""
    if isinstance(error, ContractError):
        return CellOutcome("violated", reason=failure.reason)
    where = "While the audit scored episodes again: " if in_audit else ""
    return CellOutcome("failed", reason=where + failure.reason)


def assist_cell(environment: RunContext, spec: RunSpec, track: Track) -> None:
    """Compute a cell's shareable work (inversions, features) in a helper process.

    Scores no episode and writes no record. Errors are ignored, because the process that runs the cell meets them too.
    """
    try:
        method: Method = environment.component(spec.method)
        if method.skip(track) is not None:
            return
        bench = Bench(environment, spec, track, method)
        untouched = Untouched(environment, spec, HarnessFunctions.now())
        with access_blocked():
            learner = method.prepare(RestrictedWorkbench(bench))
        untouched.require(method)
        if not learner.embeds:
            return
        images, shown = _asked(environment, spec, track)
        with closing(learner), access_blocked(), metered(environment.device) as cost:
            recall = feature_cache_of(environment, spec, learner, images, cost)
            embed_used(learner, images, shown, environment.device, recall=recall.compute_unclaimed_blocks)
    except Exception:  # noqa: BLE001 - see above
        environment.forget(spec.backbone)


def _asked(environment: RunContext, spec: RunSpec, track: Track) -> tuple[Images, Sequence[Episode]]:
    """Open a track's images at the backbone's size, and the requested episodes."""
    images = environment.images(track.dataset, track.split, environment.backbone(spec.backbone).image_size)
    return images, environment.episodes(track)[: spec.limit or track.episodes]


def _scored(
    environment: RunContext,
    spec: RunSpec,
    track: Track,
    method: Method,
    bench: Bench,
    untouched: Untouched,
    violations: Violations,
) -> CellOutcome:
    """Prepare the method, score its learner on the test episodes and audit the predictions."""
    with access_blocked(violations), metered(environment.device) as whole:
        learner = method.prepare(RestrictedWorkbench(bench))
    bench.ledger.charge_rest(whole)
    if not isinstance(learner, Learner):
        raise ContractError(f"Method '{method.name}' must prepare a Learner, but returned {type(learner).__name__}.")
    untouched.require(method)
    if violations:
        raise ContractError(str(violations))
    environment.emit(StageStarted(spec.title, "evaluation", spec.limit or track.episodes, id=spec.cell))
    images, shown = _asked(environment, spec, track)
    bench.looked = True  # from here on the evaluation counts, even if it fails
    with closing(learner), access_blocked(violations):
        with metered(environment.device) as cost:
            look = _evaluate(environment, spec, learner, images, shown, cost)
        require_varied(look.judged, track.way)
        require_tuning_free(learner, cost)
        bench.scored = True
        fields = measures(look, track, images, shown) | {"task": _task_cost(look, cost, learner, shown)}
        bench.audit = audited(environment, spec, learner, look, images, shown)
    untouched.require(method)
    environment.emit(StageFinished(spec.title, "evaluation", cost.seconds, id=spec.cell))
    if bench.asked:
        facts = {"queries": sum(oracle.queries for oracle in bench.asked)}
        bench.stages.append(StageCost(stage="queries", seconds=0, peak_bytes=0, flops=0, facts=facts))
    peak = max(cost.peak_bytes, look.recalled_bytes)
    spent = {"seconds": cost.seconds, "peak_bytes": peak, "flops": cost.flops, "joules": cost.joules}
    bench.stages.append(StageCost.model_validate({"stage": "evaluation", **spent}))
    if bench.audit.reasons:
        raise ContractError(" ".join(bench.audit.reasons))
    return CellOutcome("ok", fields, learner.tuning_free, type(learner).transductive)


def _evaluate(
    environment: RunContext,
    spec: RunSpec,
    learner: Learner,
    images: Images,
    episodes: Sequence[Episode],
    cost: Meter,
) -> EvaluationResult:
    """Evaluate the test episodes once; `cost` measures it."""
    if not learner.embeds:
        return EvaluationResult(evaluate_finetuned(environment, spec, learner, images, episodes, cost))

    def report(done: int, of: int) -> None:
        environment.emit(Progress(spec.title, "evaluation", done, of, id=spec.cell))

    recall = feature_cache_of(environment, spec, learner, images, cost)
    judged, embedded = score_embedding(learner, images, episodes, environment.device, report, recall)
    return EvaluationResult(
        judged,
        embedded=embedded,
        head=head_of(learner),
        spread=learner.spread,
        recalled_bytes=recall.peak_bytes,
        embedding_flops=recall.flops,
    )


def _task_cost(look: EvaluationResult, cost: Meter, learner: Learner, episodes: Sequence[Episode]) -> TaskCost:
    """Return the cost of one task: embedding its images, and its share of the other operations."""
    flops = (cost.flops - look.embedding_flops) / len(episodes)
    if look.embedded is not None:
        shown = len(episodes[0].support) + len(episodes[0].query)
        flops += look.embedding_flops * shown / len(look.embedded.images)
    return TaskCost(flops=round(flops), tuned=learner.tuned)


def _require_planned_pool(environment: RunContext, spec: RunSpec, track: Track) -> None:
    """Refuse a user's own pool that changed since the cell was planned."""
    if spec.track.pool_sha256 and environment.place(track.pool).identity != spec.track.pool_sha256:
        raise PoolError(f"The pool '{track.pool}' changed since this run began. Rerun the command.")


def _earlier_looks(results: Path, spec: RunSpec) -> int:
    """Return how often this cell's test episodes were scored before, in this results folder."""
    earlier = stored_record(results, spec)
    return earlier.looks if earlier is not None else 0


def _record(
    environment: RunContext, spec: RunSpec, method: Method, outcome: CellOutcome, bench: Bench | None
) -> RunRecord:
    needs = needs_of(environment.catalogue, spec)
    done = bench is not None and outcome.status == "ok"
    return RunRecord(
        cell=spec.cell,
        status=outcome.status,
        reason=outcome.reason,
        comparable=spec.limit is None and _trained(environment, spec),
        spec=spec,
        tags=Tags(
            tuning_free=outcome.tuning_free,
            data_free=data_freedom(environment, spec),
            role=method.role,
            black_box=Needs.QUERIES in needs and Needs.POOL not in needs,
            transductive=outcome.transductive,
        ),
        looks=int(bench is not None and bench.looked),
        stages=list(bench.stages) if bench is not None else [],
        audit=bench.audit.record if bench is not None and bench.audit is not None else None,
        hashes=hashes_of(environment, spec, bench.track) if bench is not None and done else {},
        provenance=provenance(environment.device),
        **outcome.fields,
    )


def _trained(environment: RunContext, spec: RunSpec) -> bool:
    provider: BackboneProvider = environment.component(spec.backbone)
    return provider.comparable()


def data_freedom(environment: RunContext, spec: RunSpec) -> DataFree:
    """Return a row's data-freedom level, from the needs of its methods and the data of its inversions."""
    if needs_of(environment.catalogue, spec) & {Needs.BASE_IMAGES, Needs.VALIDATION}:
        return "real data"
    inversions = [p for p in spec.parts.values() if p.kind == "inversion"]
    levels = {environment.component(part).data_free for part in inversions}
    return "public prior" if "public prior" in levels else "strict"


def hashes_of(environment: RunContext, spec: RunSpec, track: Track) -> dict[str, str]:
    """Return the hashes of the inputs: network, pool, images and the whole episode list."""
    backbone = environment.backbone(spec.backbone)
    images = environment.images(track.dataset, track.split)
    hashes = {"backbone": backbone.sha256, "images": images.sha256}
    hashes["episodes"] = episodes_sha256(environment.episodes(track), images.sha256)
    if needs_of(environment.catalogue, spec) & {Needs.POOL, Needs.QUERIES}:
        hashes["pool"] = environment.pool(track.pool, backbone).sha256
    return hashes


def _announce(environment: RunContext, record: RunRecord, failure: Failure | None) -> None:
    if record.status == "skipped":
        environment.emit(CellSkipped(record.spec.title, record.reason, id=record.spec.cell))
    elif record.interval is not None:
        half = (record.interval.high - record.interval.low) / 2
        environment.emit(CellFinished(record.spec.title, record.interval.mean, half, id=record.spec.cell))
    else:
        kept = str(_failure_file(environment, record.spec))
        status: Literal["failed", "violated"] = "violated" if record.status == "violated" else "failed"
        environment.emit(CellFailed(record.spec.title, record.reason, failure, kept, status, id=record.spec.cell))


def _kept_failure(environment: RunContext, spec: RunSpec, error: Exception) -> Failure:
    """Summarise an exception, and store its traceback in the cache; records hold only one sentence."""
    failure = failure_of(error, environment.catalogue.host.packages)
    write_text(_failure_file(environment, spec), failure.traceback)
    return failure


def _failure_file(environment: RunContext, spec: RunSpec) -> Path:
    return environment.cache / "failures" / f"{spec.cell}.txt"


def _written(results: Path, record: RunRecord) -> RunRecord:
    """Replace the stored record, if any, and add its evaluation count."""
    record = record.model_copy(update={"looks": record.looks + _earlier_looks(results, record.spec)})
    record.write(record_path(results, record.spec))
    return record
