"""The audit of a cell: compare its predictions with those for the same episodes under variations."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot.basics.errors import ContractError
from freeshot.contracts.events import Progress
from freeshot.evaluation.audit import SAMPLE, Auditor
from freeshot.evaluation.rescoring import HeadRescore, TunedRescore, audit_features
from freeshot.records.models import AuditRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from freeshot.contracts.dataset import Images
    from freeshot.contracts.method import Learner
    from freeshot.contracts.tensors import Episode
    from freeshot.engine.metering.meter import Meter
    from freeshot.evaluation.variations import Rescore
    from freeshot.pipeline.context import RunContext
    from freeshot.pipeline.record_fields import EvaluationResult
    from freeshot.records.models import RunSpec


@dataclass(frozen=True, eq=False)
class CellAudit:
    """Measurements of a cell's audit, and the reasons for a violation, if any."""

    record: AuditRecord
    reasons: tuple[str, ...]


def audited(
    environment: RunContext,
    spec: RunSpec,
    learner: Learner,
    look: EvaluationResult,
    images: Images,
    episodes: Sequence[Episode],
) -> CellAudit:
    """Score a sample of the episodes again under variations, and embed some of the images in other batches."""
    begun = time.perf_counter()
    parts, rescore = [], _rescore(environment, spec, learner, look, images)
    if look.embedded is not None:
        parts.append(audit_features(learner, images, look.embedded, environment.device))
    parts.append(Auditor(rescore, look.judged, episodes, learner.transductive, learner.numbered).audit())
    moved = {name: share for part in parts for name, share in part.moved.items()}
    seconds = time.perf_counter() - begun
    record = AuditRecord(episodes=max(part.episodes for part in parts), moved=moved, seconds=seconds)
    return CellAudit(record, tuple(reason for part in parts for reason in part.reasons))


def _rescore(
    environment: RunContext, spec: RunSpec, learner: Learner, look: EvaluationResult, images: Images
) -> Rescore:
    """Return the rescoring function: a head on the run's features, or the learner that tunes, with progress."""
    if look.embedded is not None:
        return HeadRescore(look.embedded, look.head)

    def report(done: int) -> None:
        environment.emit(Progress(spec.title, "audit", done, max(done, SAMPLE), id=spec.cell))

    return TunedRescore(learner, images, environment.device, spec.seed, report)


def require_tuning_free(learner: Learner, cost: Meter) -> None:
    """Raise ContractError if a learner declared as tuning-free computed gradients during scoring."""
    if learner.tuning_free and cost.gradients:
        claim = "fits_head = False" if learner.embeds else "generates_weights = True"
        raise ContractError(
            f"{type(learner).__name__} is declared tuning-free ({claim}), but ran a backward pass or an optimiser "
            "step while episodes were scored. Correct the declaration, or remove the tuning."
        )
