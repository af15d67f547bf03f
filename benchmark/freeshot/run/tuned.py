"""Episodes that are tuned group after group, with a note of what is done: an interrupted cell continues."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from freeshot.basics.errors import ContractError
from freeshot.contracts.events import Progress
from freeshot.evaluation.judging import as_tensors, from_tensors, together
from freeshot.evaluation.scoring import score_tuning
from freeshot.run.checkpoints import FileCheckpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from freeshot.contracts.flow import Episode
    from freeshot.contracts.images import Images
    from freeshot.contracts.method import Learner
    from freeshot.contracts.records import RunSpec
    from freeshot.evaluation.judging import Judged
    from freeshot.run.environment import Environment

SAVE_EVERY = 20
"""Episodes between two notes."""


@dataclass(frozen=True)
class Note:
    """What earlier runs of a cell did: how queries were taken so far, and the seconds that took."""

    judged: tuple[Judged, ...] = ()
    """One per stretch of episodes."""
    seconds: float = 0.0

    @property
    def done(self) -> int:
        """How many episodes were scored."""
        return sum(len(judged.right) for judged in self.judged)


def score_tuned(
    environment: Environment, spec: RunSpec, learner: Learner, images: Images, episodes: Sequence[Episode]
) -> Note:
    """Tune on one group of episodes after the other, from where a run stopped; seconds of all runs together."""
    checkpoint = FileCheckpoint(environment.cache / "cells" / f"{spec.cell}.safetensors", every=0)
    before = _note(checkpoint)
    judged, done, began = list(before.judged), before.done, time.monotonic()

    def so_far() -> Note:
        return Note(tuple(judged), before.seconds + time.monotonic() - began)

    if learner.together < 1:
        raise ContractError(
            f"{type(learner).__name__} tunes {learner.together} episodes together; at least 1 is needed."
        )
    try:
        while done < len(episodes):
            group = episodes[done : done + learner.together]
            judged.append(score_tuning(learner, images, group, environment.device, spec.seed))
            noted, done = done, done + len(group)
            environment.emit(Progress(spec.title, "evaluation", done, len(episodes)))
            if done // SAVE_EVERY > noted // SAVE_EVERY:
                checkpoint.offer(lambda: _tensors(so_far()))
    except KeyboardInterrupt:
        if judged:
            checkpoint.offer(lambda: _tensors(so_far()))  # nothing finished is lost
        raise
    checkpoint.clear()
    return so_far()


def _note(checkpoint: FileCheckpoint) -> Note:
    """Read a note; one that is absent, damaged or of another make says that nothing was done."""
    state = checkpoint.load()
    try:
        return Note((from_tensors(state),), float(state["seconds"])) if state else Note()
    except (KeyError, ValueError):
        return Note()


def _tensors(note: Note) -> dict[str, Tensor]:
    return as_tensors(together(note.judged)) | {"seconds": torch.tensor(note.seconds, dtype=torch.float64)}
