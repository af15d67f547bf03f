"""Nearest-prototype classification: the head that all tuning-free learners share.

Axes: n support images, q query images, c classes (the way), d features.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import one_hot

Distance = Literal["squared", "euclidean"]


def class_means(support: Tensor, labels: Tensor, way: int) -> Tensor:
    """Average the support features [.., n, d] of each class: [.., c, d]."""
    member = one_hot(labels, way).to(support.dtype)  # [.., n, c]
    return (member.mT @ support) / member.sum(-2).unsqueeze(-1)  # [.., c, d]


def prototype_logits(
    query: Tensor, support: Tensor, labels: Tensor, way: int, distance: Distance = "squared", scale: float = 1.0
) -> Tensor:
    """Score query features [.., q, d] by minus the scaled distance to each class mean: [.., q, c].

    `scale` is the inverse temperature. LoRA Recycle's paper prints ‖·‖, its code uses ‖·‖²; the nearest
    class is the same under both, the softmax is not.
    """
    means = class_means(support, labels, way)  # [.., c, d]
    squared = (query.unsqueeze(-2) - means.unsqueeze(-3)).square().sum(-1)  # [.., q, c]
    if distance == "squared":
        return -scale * squared
    return -scale * torch.sqrt(squared + 1e-12)  # the square root has no slope at zero
