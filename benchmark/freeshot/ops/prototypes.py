"""Nearest-prototype classification: the head that all tuning-free learners share.

Axes: n support images, q query images, c classes (the way), d features, m support images of classes with others.
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


def leave_one_out(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Leave each support image out of the mean of its own class, and drop those that are alone in their class.

    `logits` [n, c] are minus the Euclidean distances of the support images to the class means. Returned are logits
    [m, c] and classes [m]. Without x, the mean µ of k images is (kµ − x)/(k − 1), k/(k − 1) times as far from x as µ.
    """
    counts = one_hot(labels, logits.shape[1]).sum(0)[labels]  # [n]
    kept = counts > 1
    count, label = counts[kept], labels[kept]  # [m]
    left_out = logits[kept].clone()  # [m, c]
    left_out[torch.arange(len(label)), label] *= count / (count - 1)
    return left_out, label
