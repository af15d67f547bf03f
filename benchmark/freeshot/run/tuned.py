"""Episodes that are tuned one after the other, with a note of what is done: an interrupted cell continues."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot.basics.files import write_text
from freeshot.contracts.events import Progress
from freeshot.evaluation.scoring import score_tuning

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from freeshot.contracts.flow import Episode
    from freeshot.contracts.images import Images
    from freeshot.contracts.method import Learner
    from freeshot.contracts.records import RunSpec
    from freeshot.run.environment import Environment

SAVE_EVERY = 20
"""Episodes between two notes."""


@dataclass(frozen=True)
class Note:
    """What earlier runs of a cell did: accuracies so far, and the seconds they took."""

    accuracies: tuple[float, ...] = ()
    seconds: float = 0.0


def score_tuned(
    environment: Environment, spec: RunSpec, learner: Learner, images: Images, episodes: Sequence[Episode]
) -> Note:
    """Tune on one episode after the other, from where an interrupted run stopped; seconds of all runs together."""
    path = environment.cache / "cells" / f"{spec.cell}.json"
    before = _read(path)
    accuracies, began = list(before.accuracies), time.monotonic()

    def so_far() -> Note:
        return Note(tuple(accuracies), before.seconds + time.monotonic() - began)

    try:
        for episode in episodes[len(accuracies) :]:
            accuracies.append(score_tuning(learner, images, episode, environment.device, spec.seed))
            environment.emit(Progress(spec.title, "evaluation", len(accuracies), len(episodes)))
            if len(accuracies) % SAVE_EVERY == 0:
                _write(path, so_far())
    except KeyboardInterrupt:
        _write(path, so_far())  # nothing finished is lost
        raise
    path.unlink(missing_ok=True)
    return so_far()


def _read(path: Path) -> Note:
    """Read a note; one that is absent or damaged says that nothing was done."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        return Note(tuple(map(float, fields["accuracies"])), float(fields["seconds"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Note()


def _write(path: Path, note: Note) -> None:
    write_text(path, json.dumps({"accuracies": note.accuracies, "seconds": note.seconds}))
