"""The record of a cell: tags, hashes of the inputs, provenance; written over an older one, and announced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from freeshot.contracts.events import CellFailed, CellFinished, CellSkipped
from freeshot.contracts.method import Needs
from freeshot.evaluation.episodes import episodes_sha256
from freeshot.pipeline.resolve import needs_of
from freeshot.records.models import DataFree, RunRecord, Tags
from freeshot.records.provenance import provenance
from freeshot.records.store import record_path, stored_record

if TYPE_CHECKING:
    from pathlib import Path

    from freeshot.basics.failures import Failure
    from freeshot.contracts.backbone import BackboneProvider
    from freeshot.contracts.method import Method
    from freeshot.contracts.tracks import Track
    from freeshot.pipeline.cell_outcome import CellOutcome
    from freeshot.pipeline.context import RunContext
    from freeshot.pipeline.workbench import Bench
    from freeshot.records.models import RunSpec


def make_record(
    context: RunContext, spec: RunSpec, method: Method, outcome: CellOutcome, bench: Bench | None
) -> RunRecord:
    """Make the record of a cell that ended; `bench` is None if the cell ended before it was made."""
    needs = needs_of(context.catalogue, spec)
    done = bench is not None and outcome.status == "ok"
    return RunRecord(
        cell=spec.cell,
        status=outcome.status,
        reason=outcome.reason,
        comparable=spec.limit is None and _trained(context, spec),
        spec=spec,
        tags=Tags(
            tuning_free=outcome.tuning_free,
            data_free=data_freedom(context, spec),
            role=method.role,
            black_box=Needs.QUERIES in needs and Needs.POOL not in needs,
            transductive=outcome.transductive,
        ),
        looks=int(bench is not None and bench.looked),
        stages=list(bench.stages) if bench is not None else [],
        audit=bench.audit.record if bench is not None and bench.audit is not None else None,
        hashes=hashes_of(context, spec, bench.track) if bench is not None and done else {},
        provenance=provenance(context.device),
        **outcome.fields,
    )


def _trained(context: RunContext, spec: RunSpec) -> bool:
    provider: BackboneProvider = context.component(spec.backbone)
    return provider.comparable()


def data_freedom(context: RunContext, spec: RunSpec) -> DataFree:
    """Return a row's data-freedom level, from the needs of its methods and the data of its inversions."""
    if needs_of(context.catalogue, spec) & {Needs.BASE_IMAGES, Needs.VALIDATION}:
        return "real data"
    inversions = [part for part in spec.parts.values() if part.kind == "inversion"]
    levels = {context.component(part).data_free for part in inversions}
    return "public prior" if "public prior" in levels else "strict"


def hashes_of(context: RunContext, spec: RunSpec, track: Track) -> dict[str, str]:
    """Return the hashes of the inputs: network, pool, images and the whole episode list."""
    backbone = context.backbone(spec.backbone)
    images = context.images(track.dataset, track.split)
    hashes = {"backbone": backbone.sha256, "images": images.sha256}
    hashes["episodes"] = episodes_sha256(context.episodes(track), images.sha256)
    if needs_of(context.catalogue, spec) & {Needs.POOL, Needs.QUERIES}:
        hashes["pool"] = context.pool(track.pool, backbone).sha256
    return hashes


def written(results: Path, record: RunRecord) -> RunRecord:
    """Write a record over the stored one, if any, whose evaluations are added to its own; return it."""
    earlier = stored_record(results, record.spec)
    looks = record.looks + (earlier.looks if earlier is not None else 0)
    record = record.model_copy(update={"looks": looks})
    record.write(record_path(results, record.spec))
    return record


def announce(context: RunContext, record: RunRecord, failure: Failure | None) -> None:
    """Emit the event of a cell that ended."""
    spec = record.spec
    if record.status == "skipped":
        context.emit(CellSkipped(spec.title, record.reason, id=spec.cell))
    elif record.interval is not None:
        half = (record.interval.high - record.interval.low) / 2
        context.emit(CellFinished(spec.title, record.interval.mean, half, id=spec.cell))
    else:
        status: Literal["failed", "violated"] = "violated" if record.status == "violated" else "failed"
        kept = str(failure_file(context, spec))
        context.emit(CellFailed(spec.title, record.reason, failure, kept, status, id=spec.cell))


def failure_file(context: RunContext, spec: RunSpec) -> Path:
    """Return where the traceback of a failed cell is stored."""
    return context.cache / "failures" / f"{spec.cell}.txt"
