"""The audit of a cell: compare its predictions with those for the same episodes under variations."""

from __future__ import annotations

import time
from dataclasses import dataclass

from freeshot.basics.errors import ContractError
from freeshot.contracts.method import Learner
from freeshot.engine.metering.meter import Meter
from freeshot.evaluation.audit import SAMPLE, Auditor
from freeshot.evaluation.rescoring import HeadRescore, TunedRescore, audit_features
from freeshot.evaluation.variations import Rescore
from freeshot.pipeline.evaluate import Evaluation, EvaluationResult
from freeshot.records.models import AuditRecord


@dataclass(frozen=True, eq=False)
class CellAudit:
    """Measurements of a cell's audit, and the reasons for a violation, if any."""

    record: AuditRecord
    reasons: tuple[str, ...]


def audited(evaluation: Evaluation, result: EvaluationResult) -> CellAudit:
    """Score a sample of the episodes again under variations, and embed some of the images in other batches."""
    began = time.perf_counter()
    learner, parts = evaluation.learner, []
    if result.embedded is not None:
        parts.append(audit_features(learner, evaluation.images, result.embedded, evaluation.context.device))
    rescore = _rescore(evaluation, result)
    auditor = Auditor(rescore, result.outcomes, evaluation.episodes, learner.transductive, learner.numbered)
    parts.append(auditor.audit())
    changed = {name: share for part in parts for name, share in part.changed.items()}
    seconds = time.perf_counter() - began
    record = AuditRecord(episodes=max(part.episodes for part in parts), changed=changed, seconds=seconds)
    return CellAudit(record, tuple(reason for part in parts for reason in part.reasons))


def _rescore(evaluation: Evaluation, result: EvaluationResult) -> Rescore:
    """Return the rescoring function: a head on the run's features, or the learner that tunes, with progress."""
    if result.embedded is not None:
        return HeadRescore(result.embedded, result.head)

    def report(done: int) -> None:
        evaluation.report(done, max(done, SAMPLE), "audit")

    device, seed = evaluation.context.device, evaluation.cell.spec.seed
    return TunedRescore(evaluation.learner, evaluation.images, device, seed, report)


def require_tuning_free(learner: Learner, cost: Meter) -> None:
    """Raise ContractError if a learner declared as tuning-free computed gradients during scoring."""
    if learner.tuning_free and cost.gradients:
        claim = "fits_head = False" if learner.embeds else "generates_weights = True"
        raise ContractError(
            f"{type(learner).__name__} is declared tuning-free ({claim}), but ran a backward pass or an optimiser "
            "step while episodes were scored. Correct the declaration, or remove the tuning."
        )
