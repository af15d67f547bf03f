"""Evaluate a learner on test episodes, once: embed every image, or fine-tune per episode with checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from freeshot.basics.errors import ContractError
from freeshot.basics.files import fingerprint
from freeshot.cache.checkpoints import FileCheckpoint
from freeshot.contracts.events import Progress
from freeshot.engine.metering.meter import metered
from freeshot.evaluation.metrics import as_tensors, concatenate, from_tensors
from freeshot.evaluation.scoring import embed_episodes, head_of, score_episodes, score_tuning
from freeshot.pipeline.feature_cache import FeatureCache, feature_recipe
from freeshot.records.models import TaskCost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from freeshot.contracts.dataset import Images
    from freeshot.contracts.method import Learner
    from freeshot.contracts.tensors import Episode
    from freeshot.engine.metering.meter import Meter
    from freeshot.evaluation.metrics import QueryOutcomes
    from freeshot.evaluation.scoring import Embedded, Head
    from freeshot.pipeline.context import RunContext
    from freeshot.pipeline.resolve import PlannedCell
    from freeshot.records.models import ComponentSpec

SAVE_EVERY = 20
"""Episodes between two checkpoints."""


@dataclass(frozen=True, eq=False)
class EvaluationResult:
    """The result of one evaluation of test episodes."""

    outcomes: QueryOutcomes
    embedded: Embedded | None = None
    """The features of a learner that embeds."""
    head: Head | None = None
    """The head that classifies them; None for the nearest class mean."""
    cached_peak_bytes: int = 0
    """Peak memory of the computation of features loaded from the cache."""
    embedding_flops: int = 0
    """Operations of the computed features; each image counts once, however many episodes use it."""
    computed: int = 0
    """Images whose features were computed or loaded, at least those of the episodes."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A learner, and the test images and episodes on which it is evaluated."""

    context: RunContext
    cell: PlannedCell
    learner: Learner
    images: Images
    episodes: Sequence[Episode]

    @classmethod
    def of(cls, context: RunContext, cell: PlannedCell, learner: Learner) -> Evaluation:
        """Open a cell's test images at the backbone's size, and the requested episodes."""
        track = cell.track
        images = context.images(track.dataset, track.split, context.backbone(cell.spec.backbone).image_size)
        return cls(context, cell, learner, images, context.episodes(track)[: cell.episodes])

    def run(self, cost: Meter) -> EvaluationResult:
        """Evaluate the episodes; `cost` is the meter that runs meanwhile."""
        learner, context = self.learner, self.context
        if not learner.embeds:
            return EvaluationResult(self._fine_tuned(cost))
        recipe = feature_recipe(context, self.cell.spec.backbone, learner, self.images)
        features = FeatureCache(context, recipe, cost, len(self.images))
        embedded = embed_episodes(learner, self.images, self.episodes, context.device, self.report, features)
        head = head_of(learner)
        outcomes = score_episodes(embedded, self.episodes, head)
        return EvaluationResult(outcomes, embedded, head, features.peak_bytes, features.flops, features.computed)

    def report(self, done: int, total: int, stage: str = "evaluation") -> None:
        """Emit the progress of the evaluation, or of its audit."""
        self.context.emit(Progress(self.cell.title, stage, done, total, id=self.cell.id))

    def task_cost(self, result: EvaluationResult, cost: Meter) -> TaskCost:
        """Return the cost of one task: embedding its images, and its share of the other operations."""
        flops = (cost.flops - result.embedding_flops) / len(self.episodes)
        if result.embedded is not None:
            shown = len(self.episodes[0].support) + len(self.episodes[0].query)
            flops += result.embedding_flops * shown / result.computed
        return TaskCost(flops=round(flops), tuned_weights=self.learner.tuned_parameters)

    def _fine_tuned(self, meter: Meter) -> QueryOutcomes:
        """Tune on one group of episodes after another, resuming from a checkpoint; the meter includes earlier runs."""
        learner, total = self.learner, len(self.episodes)
        checkpoint = episode_checkpoint(self.context, self.cell)
        checkpoint.meter = meter
        parts = _load_partial_results(checkpoint)
        done = sum(len(part.right) for part in parts)
        if learner.episodes_per_batch < 1:
            raise ContractError(
                f"{type(learner).__name__} tunes {learner.episodes_per_batch} episodes together; at least 1 is needed."
            )
        try:
            while done < total:
                group = self.episodes[done : done + learner.episodes_per_batch]
                parts.append(score_tuning(learner, self.images, group, self.context.device, self.cell.spec.seed))
                before, done = done, done + len(group)
                self.report(done, total)
                if done // SAVE_EVERY > before // SAVE_EVERY or done == total:
                    checkpoint.offer(lambda: as_tensors(concatenate(parts)))
        except KeyboardInterrupt:
            if 0 < done < total:
                checkpoint.offer(lambda: as_tensors(concatenate(parts)))  # saves all finished episodes
            raise
        return concatenate(parts)


def score_lists(
    context: RunContext,
    backbone: ComponentSpec | None,
    learner: Learner,
    images: Images,
    lists: Sequence[Sequence[Episode]],
    report: Callable[[int, int], None],
) -> tuple[list[QueryOutcomes], Embedded]:
    """Score a learner that embeds on several lists of episodes of the same images; each image is embedded once.

    Features are cached unless the learner uses no `backbone`.
    """
    recipe = None if backbone is None else feature_recipe(context, backbone, learner, images)
    every = chain.from_iterable(lists)
    if recipe is None:
        embedded = embed_episodes(learner, images, every, context.device, report)
    else:
        with metered(context.device) as cost:
            features = FeatureCache(context, recipe, cost, len(images))
            embedded = embed_episodes(learner, images, every, context.device, report, features)
    return [score_episodes(embedded, episodes, head_of(learner)) for episodes in lists], embedded


def episode_checkpoint(context: RunContext, cell: PlannedCell) -> FileCheckpoint:
    """Return the checkpoint of a cell's episode outcomes, used until its record is written."""
    # includes the weights, because a backbone's name may refer to other ones by now
    name = fingerprint([cell.id, context.backbone(cell.spec.backbone).sha256])
    return FileCheckpoint(context.cache / "cells" / f"{name}.safetensors", every=0)


def _load_partial_results(checkpoint: FileCheckpoint) -> list[QueryOutcomes]:
    """Read the outcomes of earlier runs; empty if the checkpoint is missing, damaged or of another format."""
    state = checkpoint.load()
    try:
        return [from_tensors(state)] if state else []
    except KeyError:
        return []
