"""The outcome of a cell and its record: measures, tags, hashes of the inputs, provenance; written and announced."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from freeshot.basics.seeds import derive, stream
from freeshot.contracts.events import CellFailed, CellFinished, CellSkipped
from freeshot.contracts.method import Needs
from freeshot.evaluation.episodes import episodes_sha256
from freeshot.evaluation.jackknife import measure_sampling_error, spread_intervals
from freeshot.evaluation.metrics import quality
from freeshot.records.models import IntervalRecord, RunRecord, Tags
from freeshot.records.predictions import CellPredictions
from freeshot.records.provenance import provenance
from freeshot.records.store import record_path, stored_record
from freeshot.stats.intervals import student_t

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from freeshot.basics.access_guard import Violations
    from freeshot.basics.failures import Failure
    from freeshot.contracts.backbone import BackboneProvider
    from freeshot.contracts.events import Event
    from freeshot.pipeline.cell import CellRun
    from freeshot.pipeline.context import RunContext
    from freeshot.pipeline.evaluate import Evaluation, EvaluationResult
    from freeshot.pipeline.resolve import PlannedCell
    from freeshot.records.models import RunSpec, Status
    from freeshot.stats.intervals import Interval


@dataclass(frozen=True, eq=False)
class CellOutcome:
    """Status and reason of a cell, and its measures if it was scored."""

    status: Status
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the record that hold the measures; empty unless the status is 'ok'."""
    tuning_free: bool = True
    transductive: bool = False
    reason: str = ""

    def with_violations(self, violations: Violations) -> CellOutcome:
        """Return a violated outcome if there are violations, with all of them and the original reason."""
        if not violations:
            return self
        others = [text for text in violations.reasons if not self.reason.startswith(text)]
        return CellOutcome("violated", reason=" ".join([*others, *filter(None, [self.reason])]))


def make_record(run: CellRun, outcome: CellOutcome) -> RunRecord:
    """Make the record of a cell that ended, with the costs of the stages that were completed."""
    context, cell = run.context, run.cell
    provider: BackboneProvider = context.component(cell.spec.backbone)
    return RunRecord(
        cell=cell.id,
        status=outcome.status,
        reason=outcome.reason,
        comparable=cell.spec.limit is None and provider.comparable(),
        spec=cell.spec,
        tags=Tags(
            tuning_free=outcome.tuning_free,
            data_free=cell.data_free,
            role=run.method.role,
            black_box=Needs.QUERIES in cell.needs and Needs.POOL not in cell.needs,
            transductive=outcome.transductive,
        ),
        test_evaluations=int(run.evaluating),
        stages=list(run.stages),
        audit=run.audit.record if run.audit is not None else None,
        hashes=input_hashes(context, cell) if outcome.status == "ok" else {},
        provenance=provenance(context.device),
        **outcome.fields,
    )


def input_hashes(context: RunContext, cell: PlannedCell) -> dict[str, str]:
    """Return the hashes of the inputs: network, pool, images and the whole episode list."""
    backbone = context.backbone(cell.spec.backbone)
    images = context.images(cell.track.dataset, cell.track.split)
    hashes = {"backbone": backbone.sha256, "images": images.sha256}
    hashes["episodes"] = episodes_sha256(context.episodes(cell.track), images.sha256)
    if cell.needs_pool:
        hashes["pool"] = context.pool(cell.track.pool, backbone).sha256
    return hashes


def measures(evaluation: Evaluation, result: EvaluationResult) -> dict[str, Any]:
    """Return the record fields that depend on the outcomes of the episodes."""
    accuracies = result.outcomes.accuracies
    interval = student_t(accuracies)
    complete = len(accuracies) == evaluation.cell.track.episodes
    return {
        "accuracies": accuracies,
        "interval": _as_record(interval),
        "wider_intervals": _wider_intervals(evaluation, result, interval) if complete and len(accuracies) > 1 else (),
        "quality": quality(result.outcomes, evaluation.episodes, evaluation.images.classes),
        "log_odds": result.outcomes.hardness,
    }


def predictions(evaluation: Evaluation, result: EvaluationResult) -> CellPredictions:
    """Return the predictions of all queries of the episodes."""
    outcomes, episodes = result.outcomes, evaluation.episodes
    labels = np.arange(evaluation.cell.track.way).repeat(evaluation.cell.track.query)
    smallest = np.finfo(np.float16).min
    return CellPredictions(
        evaluation.cell.id,
        tuple(evaluation.images.classes),
        np.array([episode.id for episode in episodes]),
        np.array([episode.classes for episode in episodes], dtype=np.int32),
        np.array([episode.query for episode in episodes]),
        np.broadcast_to(labels.astype(np.int16), outcomes.predicted.shape),
        outcomes.predicted,
        np.clip(outcomes.log_probabilities, smallest, 0).astype(np.float16),
    )


def _wider_intervals(
    evaluation: Evaluation, result: EvaluationResult, interval: Interval
) -> tuple[IntervalRecord, ...]:
    """Compute wider intervals if features are available and the head is fast; repeated tuning would take hours."""
    embedded, track = result.embedded, evaluation.cell.track
    if embedded is None or not evaluation.learner.jackknife:
        return ()
    rows = _drawing_order(embedded.images)  # [u]
    shown = np.asarray(embedded.images)[rows.numpy()]
    labels = np.asarray(evaluation.images.labels, dtype=np.int64)[shown]
    seed = derive(track.version, "spread", track.name)
    sizes = (track.way, track.shot, track.query)
    features, keys = embedded.features[rows], embedded.keys[rows]
    error = measure_sampling_error(features, labels, *sizes, seed, head=result.head, keys=keys)
    if error is None:
        return ()
    return tuple(map(_as_record, spread_intervals(interval, result.outcomes.accuracies, error)))


def _drawing_order(images: Sequence[int]) -> Tensor:
    """Return the rows of images [u] in the order from which the committed intervals drew their tasks."""
    by_index = torch.tensor(images).argsort()
    return by_index[torch.randperm(len(images), generator=stream(0, "embedding order", len(images)))]


def _as_record(interval: Interval) -> IntervalRecord:
    return IntervalRecord(**vars(interval))


def write_record(results: Path, record: RunRecord) -> RunRecord:
    """Write a record over the stored one, if any, whose evaluations are added to its own; return it."""
    earlier = stored_record(results, record.spec)
    looks = record.test_evaluations + (earlier.test_evaluations if earlier is not None else 0)
    record = record.model_copy(update={"test_evaluations": looks})
    record.write(record_path(results, record.spec))
    return record


def final_event(context: RunContext, record: RunRecord, failure: Failure | None) -> Event:
    """Return the event of a cell that ended."""
    title, cell = record.spec.title, record.cell
    if record.status == "skipped":
        return CellSkipped(title, record.reason, id=cell)
    if record.interval is not None:
        half = (record.interval.high - record.interval.low) / 2
        return CellFinished(title, record.interval.mean, half, id=cell)
    status: Literal["failed", "violated"] = "violated" if record.status == "violated" else "failed"
    return CellFailed(title, record.reason, failure, str(failure_file(context, record.spec)), status, id=cell)


def failure_file(context: RunContext, spec: RunSpec) -> Path:
    """Return where the traceback of a failed cell is stored."""
    return context.cache / "failures" / f"{spec.cell}.txt"
