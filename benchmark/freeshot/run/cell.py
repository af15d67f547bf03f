"""One cell from spec to record: prepare, look at the test episodes once, write down what came of it."""

from __future__ import annotations

from contextlib import closing
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import ContractError, FreeshotError, PoolError, StoreError
from freeshot.basics.failures import failure_of
from freeshot.basics.files import write_text
from freeshot.basics.seal import sealed
from freeshot.contracts.events import CellFailed, CellFinished, CellSkipped, Progress, StageFinished, StageStarted
from freeshot.contracts.method import Learner, Needs
from freeshot.contracts.records import DataFree, RunRecord, StageCost, Tags, TaskCost
from freeshot.engine.backbone import weights_sha256
from freeshot.engine.meter import metered
from freeshot.evaluation.episodes import episodes_sha256
from freeshot.evaluation.scoring import embed_used, head_of, score_embedding
from freeshot.run.features import recall_of
from freeshot.run.handed import Handed
from freeshot.run.measures import Look, measures
from freeshot.run.parts import needs_of
from freeshot.run.provenance import provenance
from freeshot.run.store import record_path, stored_record
from freeshot.run.tuned import score_tuned
from freeshot.run.workbench import Bench

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from freeshot.basics.failures import Failure
    from freeshot.contracts.backbone import BackboneProvider
    from freeshot.contracts.flow import Episode
    from freeshot.contracts.images import Images
    from freeshot.contracts.method import Method
    from freeshot.contracts.records import RunSpec, Status
    from freeshot.contracts.tracks import Track
    from freeshot.engine.meter import Meter
    from freeshot.run.environment import Environment


def run_cell(environment: Environment, spec: RunSpec, track: Track, results: Path) -> RunRecord:
    """Run a cell and write its record; whatever a plugin does wrong becomes a record that says so.

    Only what makes writing impossible (StoreError) and an interrupt pass through.
    """
    method: Method = environment.component(spec.method)
    bench: Bench | None = None
    failure: Failure | None = None
    try:
        reason = method.skip(track)
        if reason is not None:
            record = _written(results, _record(environment, spec, method, "skipped", reason=reason))
            environment.emit(CellSkipped(spec.title, reason, id=spec.cell))
            return record
        _require_planned_pool(environment, spec, track)
        bench = Bench(environment, spec, track, method)
        record = _scored(environment, spec, track, method, bench)
    except StoreError:
        raise
    except FreeshotError as error:
        environment.forget(spec.backbone)  # what went wrong may have changed it
        status: Status = "violated" if isinstance(error, ContractError) else "failed"
        failure = _kept_failure(environment, spec, error)
        record = _record(environment, spec, method, status, bench, reason=failure.reason)
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything; its record says what, the others go on
        environment.forget(spec.backbone)
        failure = _kept_failure(environment, spec, error)
        record = _record(environment, spec, method, "failed", bench, reason=failure.reason)
    record = _written(results, record)
    _announce(environment, record, failure)
    return record


def assist_cell(environment: Environment, spec: RunSpec, track: Track) -> None:
    """Do of a cell, beside the process that runs it, what can be shared out: LoRAs to invert, images to embed.

    No episode is scored and no record is written. What goes wrong here goes wrong in the other process too.
    """
    try:
        method: Method = environment.component(spec.method)
        if method.skip(track) is not None:
            return
        bench = Bench(environment, spec, track, method)
        with sealed():
            learner = method.prepare(Handed(bench))
        _require_unchanged(environment, spec, method)
        if not learner.embeds:
            return
        images, shown = _asked(environment, spec, track)
        with closing(learner), sealed(), metered(environment.device) as cost:
            recall = recall_of(environment, spec, learner, images, cost)
            embed_used(learner, images, shown, environment.device, recall=recall.lend_a_hand)
    except Exception:  # noqa: BLE001 - see above
        environment.forget(spec.backbone)


def _asked(environment: Environment, spec: RunSpec, track: Track) -> tuple[Images, Sequence[Episode]]:
    """Open a track's images as the backbone wants them, and the episodes that are asked for."""
    images = environment.images(track.dataset, track.split, environment.backbone(spec.backbone).image_size)
    return images, environment.episodes(track)[: spec.limit or track.episodes]


def _scored(environment: Environment, spec: RunSpec, track: Track, method: Method, bench: Bench) -> RunRecord:
    with sealed(), metered(environment.device) as whole:
        learner = method.prepare(Handed(bench))
    bench.ledger.charge_rest(whole)
    if not isinstance(learner, Learner):
        raise ContractError(f"Method '{method.name}' must prepare a Learner, but returned {type(learner).__name__}.")
    _require_unchanged(environment, spec, method)
    tuning_free = learner.tuning_free
    environment.emit(StageStarted(spec.title, "evaluation", spec.limit or track.episodes, id=spec.cell))
    images, shown = _asked(environment, spec, track)
    bench.looked = True  # from here on it counts, whatever comes of it
    with closing(learner), sealed():
        with metered(environment.device) as cost:
            look = _looked(environment, spec, learner, images, shown, cost)
        found = measures(look, track, images, shown) | {"task": _task_cost(look, cost, learner, shown)}
    _require_unchanged(environment, spec, method)
    environment.emit(StageFinished(spec.title, "evaluation", cost.seconds, id=spec.cell))
    if bench.asked:
        facts = {"queries": sum(oracle.queries for oracle in bench.asked)}
        bench.stages.append(StageCost(stage="queries", seconds=0, peak_bytes=0, flops=0, facts=facts))
    peak = max(cost.peak_bytes, look.recalled_bytes)
    spent = {"seconds": cost.seconds, "peak_bytes": peak, "flops": cost.flops, "joules": cost.joules}
    bench.stages.append(StageCost.model_validate({"stage": "evaluation", **spent}))
    return _record(environment, spec, method, "ok", bench, found=found, tuning_free=tuning_free)


def _looked(
    environment: Environment,
    spec: RunSpec,
    learner: Learner,
    images: Images,
    episodes: Sequence[Episode],
    cost: Meter,
) -> Look:
    """Look at the test episodes, once; `cost` is what meters it."""
    if not learner.embeds:
        return Look(score_tuned(environment, spec, learner, images, episodes, cost))

    def report(done: int, of: int) -> None:
        environment.emit(Progress(spec.title, "evaluation", done, of, id=spec.cell))

    recall = recall_of(environment, spec, learner, images, cost)
    judged, embedded = score_embedding(learner, images, episodes, environment.device, report, recall)
    return Look(
        judged,
        embedded=embedded,
        head=head_of(learner),
        spread=learner.spread,
        recalled_bytes=recall.peak_bytes,
        embedding_flops=recall.flops,
    )


def _task_cost(look: Look, cost: Meter, learner: Learner, episodes: Sequence[Episode]) -> TaskCost:
    """Say what one task costs: embedding as many images as it has, and its share of what else was done."""
    flops = (cost.flops - look.embedding_flops) / len(episodes)
    if look.embedded is not None:
        shown = len(episodes[0].support) + len(episodes[0].query)
        flops += look.embedding_flops * shown / len(look.embedded.images)
    return TaskCost(flops=round(flops), tuned=learner.tuned)


def _require_planned_pool(environment: Environment, spec: RunSpec, track: Track) -> None:
    """Refuse a pool of one's own that is another one than when the cell was planned."""
    if spec.track.pool_sha256 and environment.place(track.pool).identity != spec.track.pool_sha256:
        raise PoolError(f"The pool '{track.pool}' was changed since this run began. Give the command again.")


def _earlier_looks(results: Path, spec: RunSpec) -> int:
    """Count how often this cell's test episodes were scored before, in this results folder."""
    earlier = stored_record(results, spec)
    return earlier.looks if earlier is not None else 0


def _require_unchanged(environment: Environment, spec: RunSpec, method: Method) -> None:
    backbone = environment.backbone(spec.backbone)
    if weights_sha256(backbone.vit) != backbone.sha256:
        raise ContractError(f"Method '{method.name}' changed the frozen backbone. Work on bench.backbone(), a copy.")


def _record(
    environment: Environment,
    spec: RunSpec,
    method: Method,
    status: Status,
    bench: Bench | None = None,
    *,
    found: Mapping[str, Any] = MappingProxyType({}),
    tuning_free: bool = True,
    reason: str = "",
) -> RunRecord:
    needs = needs_of(environment.catalogue, spec)
    return RunRecord(
        cell=spec.cell,
        status=status,
        reason=reason,
        comparable=spec.limit is None and _trained(environment, spec),
        spec=spec,
        tags=Tags(
            tuning_free=tuning_free,
            data_free=data_freedom(environment, spec),
            role=method.role,
            black_box=Needs.QUERIES in needs and Needs.POOL not in needs,
        ),
        looks=int(bench is not None and bench.looked),
        stages=list(bench.stages) if bench is not None else [],
        hashes=hashes_of(environment, spec, bench.track) if bench is not None and found else {},
        provenance=provenance(environment.device),
        **found,
    )


def _trained(environment: Environment, spec: RunSpec) -> bool:
    provider: BackboneProvider = environment.component(spec.backbone)
    return provider.comparable()


def data_freedom(environment: Environment, spec: RunSpec) -> DataFree:
    """Say how data-free a row is: by what its methods need, and by what its inversions use."""
    if needs_of(environment.catalogue, spec) & {Needs.BASE_IMAGES, Needs.VALIDATION}:
        return "real data"
    inversions = [p for p in spec.parts.values() if p.kind == "inversion"]
    levels = {environment.component(part).data_free for part in inversions}
    return "public prior" if "public prior" in levels else "strict"


def hashes_of(environment: Environment, spec: RunSpec, track: Track) -> dict[str, str]:
    """Identify what the numbers rest on: network, pool, images and the whole episode list."""
    backbone = environment.backbone(spec.backbone)
    images = environment.images(track.dataset, track.split)
    hashes = {"backbone": backbone.sha256, "images": images.sha256}
    hashes["episodes"] = episodes_sha256(environment.episodes(track), images.sha256)
    if needs_of(environment.catalogue, spec) & {Needs.POOL, Needs.QUERIES}:
        hashes["pool"] = environment.pool(track.pool, backbone).sha256
    return hashes


def _announce(environment: Environment, record: RunRecord, failure: Failure | None) -> None:
    if record.interval is not None:
        half = (record.interval.high - record.interval.low) / 2
        environment.emit(CellFinished(record.spec.title, record.interval.mean, half, id=record.spec.cell))
    else:
        kept = str(_failure_file(environment, record.spec))
        environment.emit(CellFailed(record.spec.title, record.reason, failure, kept, id=record.spec.cell))


def _kept_failure(environment: Environment, spec: RunSpec, error: Exception) -> Failure:
    """Describe an exception, and keep its whole traceback in the cache: records are shared and hold one sentence."""
    failure = failure_of(error, environment.catalogue.host.packages)
    write_text(_failure_file(environment, spec), failure.traceback)
    return failure


def _failure_file(environment: Environment, spec: RunSpec) -> Path:
    return environment.cache / "failures" / f"{spec.cell}.txt"


def _written(results: Path, record: RunRecord) -> RunRecord:
    """Write a record over the one that may be there, whose looks it takes over, however it ended."""
    record = record.model_copy(update={"looks": record.looks + _earlier_looks(results, record.spec)})
    record.write(record_path(results, record.spec))
    return record
