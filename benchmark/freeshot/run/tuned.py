"""Episodes that are tuned group after group, with a note of what is done: an interrupted cell continues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeshot.basics.errors import ContractError
from freeshot.basics.files import fingerprint
from freeshot.contracts.events import Progress
from freeshot.evaluation.judging import as_tensors, from_tensors, together
from freeshot.evaluation.scoring import score_tuning
from freeshot.run.checkpoints import FileCheckpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from freeshot.contracts.flow import Episode
    from freeshot.contracts.images import Images
    from freeshot.contracts.method import Learner
    from freeshot.contracts.records import RunSpec
    from freeshot.engine.meter import Meter
    from freeshot.evaluation.judging import Judged
    from freeshot.run.environment import Environment

SAVE_EVERY = 20
"""Episodes between two notes."""


def score_tuned(
    environment: Environment,
    spec: RunSpec,
    learner: Learner,
    images: Images,
    episodes: Sequence[Episode],
    meter: Meter,
) -> Judged:
    """Tune on one group of episodes after the other, from where a run stopped; the meter counts all runs together."""
    checkpoint = checkpoint_of(environment, spec)
    checkpoint.meter = meter
    judged = _noted(checkpoint)
    done = sum(len(part.right) for part in judged)
    if learner.together < 1:
        raise ContractError(
            f"{type(learner).__name__} tunes {learner.together} episodes together; at least 1 is needed."
        )
    try:
        while done < len(episodes):
            group = episodes[done : done + learner.together]
            judged.append(score_tuning(learner, images, group, environment.device, spec.seed))
            noted, done = done, done + len(group)
            environment.emit(Progress(spec.title, "evaluation", done, len(episodes), id=spec.cell))
            if done // SAVE_EVERY > noted // SAVE_EVERY or done == len(episodes):
                checkpoint.offer(lambda: as_tensors(together(judged)))
    except KeyboardInterrupt:
        if 0 < done < len(episodes):
            checkpoint.offer(lambda: as_tensors(together(judged)))  # nothing finished is lost
        raise
    return together(judged)


def checkpoint_of(environment: Environment, spec: RunSpec) -> FileCheckpoint:
    """Return where the outcomes of a cell's episodes are kept until its record is written."""
    # the weights beside the cell: what a backbone's name stands for may have been replaced since
    name = fingerprint([spec.cell, environment.backbone(spec.backbone).sha256])
    return FileCheckpoint(environment.cache / "cells" / f"{name}.safetensors", every=0)


def _noted(checkpoint: FileCheckpoint) -> list[Judged]:
    """Read how queries were taken in earlier runs; a note that is absent, damaged or of another make says nothing."""
    state = checkpoint.load()
    try:
        return [from_tensors(state)] if state else []
    except KeyError:
        return []
