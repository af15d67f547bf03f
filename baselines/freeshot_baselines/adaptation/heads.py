"""Classification heads for many episodes at once.

Axes: e episodes, n support images ordered class by class, q queries, c classes, d features.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from freeshot import Predictor
from freeshot.ops.prototypes import class_means, prototype_logits
from freeshot_baselines.heads import custom_head


def labels_of(support: Tensor, way: int) -> Tensor:
    """Return the labels [e, n] of support sets [e, n, …], ordered class by class."""
    return custom_head.labels_of(support, way).expand(len(support), -1)


def initial_head(features: Tensor, labels: Tensor, way: int, start: str) -> tuple[Tensor, Tensor]:
    """Initialise linear heads on features [.., n, d]: weight [.., c, d] and bias [.., c].

    'zero', or 'prototype': 2m·f − ‖m‖², the logits of the negative squared distance to the class means, in units of √d.
    """
    means = class_means(features, labels, way)
    if start == "zero":
        means = torch.zeros_like(means)
    scale = features.shape[-1] ** -0.5  # squared distances of layer-normed features would saturate the softmax
    return 2 * scale * means, -scale * means.square().sum(-1)


def episode_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy of each episode [e]: logits [e, n, c], labels [e, n]."""
    each = cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return each.view(labels.shape).mean(1)


def cosine_logits(query: Tensor, support: Tensor, way: int, scale: float) -> Tensor:
    """Score queries [e, q, d] by the scaled cosine to the class means of support features [e, n, d]: [e, q, c]."""
    means = class_means(support, labels_of(support, way), way)
    return scale * normalize(query, dim=-1) @ normalize(means, dim=-1).mT


def nearest_mean(query: Tensor, support: Tensor, way: int) -> Tensor:
    """Score queries [e, q, d] by the negative distance to the class means, as all tuning-free rows do: [e, q, c]."""
    return prototype_logits(query, support, labels_of(support, way), way, distance="euclidean")


def prototype_predictor(features: Callable[[Tensor], Tensor], support: Tensor, way: int) -> Predictor:
    """Return the classifier by the nearest class mean of the support set, whose features are computed once."""
    support_features = features(support)  # [e, n, d]
    return lambda images: nearest_mean(features(images), support_features, way)


def leave_one_out(features: Tensor, way: int) -> Tensor:
    """Score each support image [e, n, d] by the negative distance to class means computed without it: [e, n, c].

    Needs at least two images per class.
    """
    count, size, width = features.shape
    shot = size // way
    groups = features.view(count, way, shot, width)
    totals = groups.sum(2, keepdim=True)  # [e, c, 1, d]
    means = (totals / shot).view(count, 1, way, width).expand(-1, size, -1, -1)  # [e, n, c, d]
    without_itself = ((totals - groups) / (shot - 1)).reshape(count, size, 1, width)
    same_class = torch.eye(way, dtype=torch.bool, device=features.device).repeat_interleave(shot, 0)  # [n, c]
    means = torch.where(same_class.view(1, size, way, 1), without_itself, means)
    squared = (features.unsqueeze(2) - means).square().sum(-1)
    return -torch.sqrt(squared + 1e-12)
