"""A linear head tuned within a task: initialisation and steps.

Axes: n support images, c classes (the way), d features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear

from freeshot_baselines.adaptation.heads import initial_head

Start = Literal["prototype", "zero"]


def initial_task_head(start: Start, features: Tensor, labels: Tensor, way: int) -> tuple[Tensor, Tensor]:
    """Return weight [c, d] and bias [c] of zero, or 2c·f − ‖c‖², which is the nearest-prototype rule.

    The latter are in units of the dimension: squared distances of layer-normed features would saturate the softmax.
    """
    weight, bias = initial_head(features, labels, way, start)
    if start == "zero":
        return weight.requires_grad_(), bias.requires_grad_()
    return weight, bias  # differentiable in the features


def gradient_steps(
    weights: Sequence[Tensor],
    logits: Callable[[Sequence[Tensor]], Tensor],
    labels: Tensor,
    *,
    steps: int,
    lr: float,
    second_order: bool,
) -> Sequence[Tensor]:
    """Take plain gradient steps on the cross-entropy of `logits(weights)` [n, c], differentiable in their start.

    To first order the steps count as constants (FOMAML); the initial weights are always differentiated through.
    """
    for _ in range(steps):
        copies = [weight.clone() for weight in weights]  # a head's start depends on the LoRA; its gradient must not
        gradients = torch.autograd.grad(cross_entropy(logits(copies), labels), copies, create_graph=second_order)
        weights = [weight - lr * gradient for weight, gradient in zip(weights, gradients, strict=True)]
    return weights


def scores(features: Tensor, head: Sequence[Tensor]) -> Tensor:
    """Score features [n, d] by weight and bias: [n, c]."""
    weight, bias = head
    return linear(features, weight, bias)
