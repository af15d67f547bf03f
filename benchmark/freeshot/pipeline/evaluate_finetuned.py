"""Evaluation with tuning per episode, group by group, with checkpoints: an interrupted cell resumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeshot.basics.errors import ContractError
from freeshot.basics.files import fingerprint
from freeshot.cache.checkpoints import FileCheckpoint
from freeshot.contracts.events import Progress
from freeshot.evaluation.metrics import as_tensors, from_tensors, together
from freeshot.evaluation.scoring import score_tuning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from freeshot.contracts.dataset import Images
    from freeshot.contracts.method import Learner
    from freeshot.contracts.tensors import Episode
    from freeshot.engine.metering.meter import Meter
    from freeshot.evaluation.metrics import QueryOutcomes
    from freeshot.pipeline.context import RunContext
    from freeshot.records.models import RunSpec

SAVE_EVERY = 20
"""Episodes between two checkpoints."""


def evaluate_finetuned(
    environment: RunContext,
    spec: RunSpec,
    learner: Learner,
    images: Images,
    episodes: Sequence[Episode],
    meter: Meter,
) -> QueryOutcomes:
    """Tune on one group of episodes after another, resuming from a checkpoint; the meter includes earlier runs."""
    checkpoint = checkpoint_of(environment, spec)
    checkpoint.meter = meter
    judged = _load_partial_results(checkpoint)
    done = sum(len(part.right) for part in judged)
    if learner.episodes_per_batch < 1:
        raise ContractError(
            f"{type(learner).__name__} tunes {learner.episodes_per_batch} episodes together; at least 1 is needed."
        )
    try:
        while done < len(episodes):
            group = episodes[done : done + learner.episodes_per_batch]
            judged.append(score_tuning(learner, images, group, environment.device, spec.seed))
            noted, done = done, done + len(group)
            environment.emit(Progress(spec.title, "evaluation", done, len(episodes), id=spec.cell))
            if done // SAVE_EVERY > noted // SAVE_EVERY or done == len(episodes):
                checkpoint.offer(lambda: as_tensors(together(judged)))
    except KeyboardInterrupt:
        if 0 < done < len(episodes):
            checkpoint.offer(lambda: as_tensors(together(judged)))  # saves all finished episodes
        raise
    return together(judged)


def checkpoint_of(environment: RunContext, spec: RunSpec) -> FileCheckpoint:
    """Return the checkpoint of a cell's episode outcomes, used until its record is written."""
    # includes the weights, because a backbone's name may refer to other ones by now
    name = fingerprint([spec.cell, environment.backbone(spec.backbone).sha256])
    return FileCheckpoint(environment.cache / "cells" / f"{name}.safetensors", every=0)


def _load_partial_results(checkpoint: FileCheckpoint) -> list[QueryOutcomes]:
    """Read the outcomes of earlier runs; empty if the checkpoint is missing, damaged or of another format."""
    state = checkpoint.load()
    try:
        return [from_tensors(state)] if state else []
    except KeyError:
        return []
