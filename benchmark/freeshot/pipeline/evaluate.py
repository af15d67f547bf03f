"""Evaluate a learner on test episodes, once: embed every image, or fine-tune per episode."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeshot.contracts.events import Progress
from freeshot.evaluation.scoring import head_of, score_embedding
from freeshot.pipeline.evaluate_finetuned import evaluate_finetuned
from freeshot.pipeline.feature_cache import feature_cache_of
from freeshot.pipeline.record_fields import EvaluationResult
from freeshot.records.models import TaskCost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from freeshot.contracts.dataset import Images
    from freeshot.contracts.method import Learner
    from freeshot.contracts.tensors import Episode
    from freeshot.engine.metering.meter import Meter
    from freeshot.pipeline.context import RunContext
    from freeshot.records.models import RunSpec


def evaluate(
    context: RunContext,
    spec: RunSpec,
    learner: Learner,
    images: Images,
    episodes: Sequence[Episode],
    cost: Meter,
) -> EvaluationResult:
    """Evaluate the test episodes; `cost` is the meter that runs meanwhile."""
    if not learner.embeds:
        return EvaluationResult(evaluate_finetuned(context, spec, learner, images, episodes, cost))

    def report(done: int, of: int) -> None:
        context.emit(Progress(spec.title, "evaluation", done, of, id=spec.cell))

    features = feature_cache_of(context, spec, learner, images, cost)
    judged, embedded = score_embedding(learner, images, episodes, context.device, report, features)
    return EvaluationResult(
        judged,
        embedded=embedded,
        head=head_of(learner),
        jackknife=learner.jackknife,
        recalled_bytes=features.peak_bytes,
        embedding_flops=features.flops,
    )


def task_cost(result: EvaluationResult, cost: Meter, learner: Learner, episodes: Sequence[Episode]) -> TaskCost:
    """Return the cost of one task: embedding its images, and its share of the other operations."""
    flops = (cost.flops - result.embedding_flops) / len(episodes)
    if result.embedded is not None:
        shown = len(episodes[0].support) + len(episodes[0].query)
        flops += result.embedding_flops * shown / len(result.embedded.images)
    return TaskCost(flops=round(flops), tuned=learner.tuned_parameters)
