"""A router without weights: prefers the network that separates the support set of an episode best.

Axes: b images, e episodes, n = way × shot support images, q queries, c classes, k networks, d features of each.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from freeshot import Learner
from freeshot.ops.prototypes import class_means
from freeshot_baselines.heads.custom_head import labels_of


class RoutedLearner(Learner):
    """Concatenated features of several learners, weighted for each episode."""

    def __init__(self, learners: Sequence[Learner], temperature: float) -> None:
        self._learners, self._temperature = learners, temperature

    def embed(self, images: Tensor) -> Tensor:
        """Map images [b, 3, h, w] to the features of each learner, for image and mirror image: [b, k · 2 · d]."""
        views = (images, images.flip(-1))
        return torch.cat([learner.embed(view) for learner in self._learners for view in views], 1)

    def classify(self, support: Tensor, query: Tensor, way: int) -> Tensor:
        """Score queries by their distance to the class means in the weighted concatenation: [e, q, c]."""
        labels = labels_of(support, way)
        support, query = self._split(support), self._split(query)  # [k, 2, e, n, d], [k, 2, e, q, d]
        weights = self.weights(support, labels, way)  # [k, e]
        scales = torch.stack([spread(part[0]) for part in support])  # [k, e]
        means = torch.stack([class_means(part[0], labels, way) for part in support])  # [k, e, c, d]
        squared = torch.cdist(query[:, 0], means).square()  # [k, e, q, c]
        mixed = ((weights / scales)[..., None, None] * squared).sum(0)
        usual = (weights * scales).sum(0)[:, None, None]  # with a single learner distances stay its own
        return -(usual * mixed).sqrt()

    def weights(self, support: Tensor, labels: Tensor, way: int) -> Tensor:
        """Weight the learners for each episode: [k, e], summing to one over k."""
        looseness = torch.stack([nearness(part[0], part[1], labels, way) for part in support])  # [k, e]
        return (-looseness / self._temperature).softmax(0)

    def close(self) -> None:
        """Release the resources of the learners."""
        for learner in self._learners:
            learner.close()

    def _split(self, features: Tensor) -> Tensor:
        """Split features [e, n, k · 2 · d]: [k, 2, e, n, d]."""
        return features.view(*features.shape[:2], len(self._learners), 2, -1).permute(2, 3, 0, 1, 4)


def nearness(support: Tensor, mirrored: Tensor, labels: Tensor, way: int) -> Tensor:
    """Return the mean distance of support images [e, n, d] to their own class relative to that to the others: [e].

    Each image is excluded from its own class mean; with one image per class its mirror image is used.
    """
    member = one_hot(labels, way).to(support)  # [n, c]
    means = class_means(support, labels, way)  # [e, c, d]
    shot = len(labels) // way
    if shot == 1:
        distances = torch.cdist(mirrored, means)  # [e, n, c]
        own = (distances * member).sum(-1)
    else:
        distances = torch.cdist(support, means)
        own = (distances * member).sum(-1) * shot / (shot - 1)  # x − mean of the others = (x − mean) · s/(s − 1)
    others = (distances * (1 - member)).sum(-1) / (way - 1)
    return (own / others.clamp(min=1e-12)).mean(-1)


def spread(support: Tensor) -> Tensor:
    """Return the mean squared distance between support images [e, n, d]: [e], the unit for comparing features."""
    centred = support - support.mean(1, keepdim=True)
    count = support.shape[1]
    squared: Tensor = centred.square().sum((1, 2)) * 2 / max(count - 1, 1)
    return squared.clamp(min=1e-12)
