"""A linear head that is tuned inside of a task: where it starts, and how it steps.

Axes: n support images, c classes (the way), d features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch.nn.functional import cross_entropy, linear

from freeshot.basics.prototypes import class_means

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

Start = Literal["prototype", "zero"]


def head_at(start: Start, features: Tensor, labels: Tensor, way: int) -> tuple[Tensor, Tensor]:
    """Return weight [c, d] and bias [c] at zero, or 2c·f − ‖c‖², where they are the nearest-prototype rule.

    Those are in units of the dimension: squared distances of layer-normed features would saturate the softmax.
    """
    if start == "zero":
        weight, bias = features.new_zeros(way, features.shape[1]), features.new_zeros(way)
        return weight.requires_grad_(), bias.requires_grad_()
    means = class_means(features, labels, way)  # differentiable: moving the features moves the start
    scale = features.shape[1] ** -0.5
    return 2 * scale * means, -scale * means.square().sum(1)


def descended(
    weights: Sequence[Tensor],
    logits: Callable[[Sequence[Tensor]], Tensor],
    labels: Tensor,
    *,
    steps: int,
    lr: float,
    second_order: bool,
) -> Sequence[Tensor]:
    """Take plain gradient steps on the cross-entropy of `logits(weights)` [n, c], differentiable in where they began.

    To first order the steps themselves count as constants (FOMAML); the start is always differentiated through.
    """
    for _ in range(steps):
        here = [weight.clone() for weight in weights]  # a head's start depends on the LoRA; its slope here must not
        gradients = torch.autograd.grad(cross_entropy(logits(here), labels), here, create_graph=second_order)
        weights = [weight - lr * gradient for weight, gradient in zip(weights, gradients, strict=True)]
    return weights


def scores(features: Tensor, head: Sequence[Tensor]) -> Tensor:
    """Score features [n, d] by weight and bias: [n, c]."""
    weight, bias = head
    return linear(features, weight, bias)
