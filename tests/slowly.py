"""Equations written out one number after the other, as references for the fast ones; differentiable."""

from __future__ import annotations

import torch
from torch import Tensor


def shares(logits: Tensor) -> Tensor:
    """Return the softmax of logits [c]."""
    powers = [logit.exp() for logit in logits]
    return torch.stack([power / sum(powers) for power in powers])


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean of −log of the share of the right class: logits [n, c], labels [n]."""
    losses = [-shares(row)[label].log() for row, label in zip(logits, labels.tolist(), strict=True)]
    return torch.stack(losses).mean()


def class_mean(support: Tensor, labels: Tensor, label: int) -> Tensor:
    """Return the mean feature [d] of a class."""
    own = [feature for feature, other in zip(support, labels.tolist(), strict=True) if other == label]
    return torch.stack(own).sum(0) / len(own)


def distance(first: Tensor, second: Tensor) -> Tensor:
    """Return the Euclidean distance of two features [d], not squared."""
    return (first - second).pow(2).sum().sqrt()


def nearest_mean_logits(query: Tensor, support: Tensor, labels: Tensor, way: int) -> Tensor:
    """Score query features [q, d] by minus the distance to each class mean: [q, c]."""
    means = [class_mean(support, labels, label) for label in range(way)]
    return torch.stack([torch.stack([-distance(feature, mean) for mean in means]) for feature in query])


def leave_one_out_logits(features: Tensor, labels: Tensor, way: int) -> Tensor:
    """Score each support feature [n, d] by minus the distance to class means made without it: [n, c]."""
    indices = range(len(features))
    rest = [[other for other in indices if other != index] for index in indices]
    rows = [
        nearest_mean_logits(features[index : index + 1], features[others], labels[others], way)
        for index, others in zip(indices, rest, strict=True)
    ]
    return torch.cat(rows)
