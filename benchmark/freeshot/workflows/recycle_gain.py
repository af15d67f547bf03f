"""What a recycling gained: accuracy with the backbone alone and with the adapter, on the same tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from freeshot.basics.seeds import derive
from freeshot.evaluation.episodes import draw_episodes
from freeshot.evaluation.scoring import score_features
from freeshot.stats.intervals import Interval, paired_difference

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from freeshot.contracts.method import Learner
    from freeshot.contracts.tensors import SurrogateSet

EPISODES = 600
BATCH = 64
"""Images per forward pass."""


@dataclass(frozen=True)
class Gain:
    """Mean accuracies on the same tasks, and the interval of their difference over these tasks."""

    on: str
    """'pictures', or 'surrogates' for synthesised images of classes that training did not use."""
    classes: int
    way: int
    shot: int
    query: int
    episodes: int
    before: float
    after: float
    difference: Interval

    @classmethod
    def of(
        cls, on: str, classes: int, sizes: tuple[int, int, int], before: Sequence[float], after: Sequence[float]
    ) -> Gain:
        """Compare the accuracies per task, with `sizes` way, shot and query."""
        means = float(np.mean(before)), float(np.mean(after))
        return cls(on, classes, *sizes, len(after), *means, paired_difference(after, before))

    def to_json(self) -> dict[str, Any]:
        """Return all fields as JSON values."""
        return vars(self) | {"difference": vars(self.difference)}


def surrogate_gain(
    surrogates: Sequence[SurrogateSet],
    hidden: Collection[int],
    learners: tuple[Learner, Learner],
    sizes: tuple[int, int, int],
    device: torch.device,
    seed: int,
) -> Gain | None:
    """Compare two learners on the surrogates of held-out classes, way × (shot + query) images a task.

    As at test, learners see whole images, not the patches kept for training. Queries are as many as the smallest class
    has; None if it has none, or if nothing was held out.
    """
    images, labels = held_out_images(surrogates, hidden)
    way, shot, most = sizes
    if not len(labels):
        return None
    query = min(most, int(np.bincount(labels).min()) - shot)
    if query < 1:
        return None
    episodes = draw_episodes(labels, way, shot, query, derive(seed, "held-out episodes"), EPISODES)
    support, queries = (torch.tensor([getattr(e, part) for e in episodes]) for part in ("support", "query"))
    before, after = (
        score_features(_embedded(learner, images, device), support, queries, way).accuracies for learner in learners
    )
    return Gain.of("surrogates", len(hidden), (way, shot, query), before, after)


def held_out_images(surrogates: Sequence[SurrogateSet], hidden: Collection[int]) -> tuple[Tensor, NDArray[np.int64]]:
    """Collect the images [n, 3, h, w] of classes by id, whatever LoRA they are from, and their labels [n]."""
    numbers = {class_id: number for number, class_id in enumerate(sorted(hidden))}
    images, labels = [torch.empty(0, 3, *surrogates[0].shots.images.shape[2:])], []
    for surrogate in surrogates:
        for label, class_id in enumerate(surrogate.class_ids):
            if class_id in numbers:
                chosen = surrogate.shots.images[surrogate.shots.labels == label].cpu()
                images.append(chosen)
                labels += [numbers[class_id]] * len(chosen)
    return torch.cat(images), np.asarray(labels, dtype=np.int64)


def _embedded(learner: Learner, images: Tensor, device: torch.device) -> Tensor:
    with torch.inference_mode():
        return torch.cat([learner.embed(batch.to(device)).float().cpu() for batch in torch.split(images, BATCH)])
