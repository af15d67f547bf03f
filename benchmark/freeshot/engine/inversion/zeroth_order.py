"""Gradient estimates from function values: forward differences along random directions.

Axes: n images, q directions, 3 × h × w pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate


@dataclass(frozen=True, eq=False)
class Estimate:
    """Losses and their estimated gradients."""

    losses: Tensor
    """[n], at the images themselves."""
    gradient: Tensor
    """[n, 3, h, w], of each image's own loss."""


def estimated_gradient(
    losses: Callable[[Tensor], Tensor],
    images: Tensor,
    directions: int,
    smoothing: float,
    rng: Generator,
    grid: int = 0,
    at_once: int = 5,
) -> Estimate:
    """Estimate the gradient of each image's loss by (d/q)·Σ_k [f(x + μu_k) − f(x)]/μ · u_k, with |u_k| = 1.

    `losses` maps images [n·k, 3, h, w], the k variants of one image in sequence, to losses [n·k]; it evaluates n·(q +
    1) images in total, at most n·`at_once` per call. Directions vary over a grid of side `grid`, or over all pixels if
    it is 0.
    """
    images = images.detach()
    base = losses(images)  # [n]
    total = torch.zeros_like(images)
    for first in range(0, directions, at_once):
        count = min(at_once, directions - first)
        unit = unit_directions(images, count, grid, rng)  # [n, k, 3, h, w]
        moved = losses((images.unsqueeze(1) + smoothing * unit).flatten(0, 1)).view(-1, count)  # [n, k]
        slopes = (moved - base.unsqueeze(1)) / smoothing  # [n, k]
        total += (slopes[..., None, None, None] * unit).sum(1)  # [n, 3, h, w]
    freedom = 3 * grid**2 if grid else images[0].numel()
    return Estimate(base, total * (freedom / directions))


def unit_directions(images: Tensor, count: int, grid: int, rng: Generator) -> Tensor:
    """Draw random unit vectors for each image, uniform on the sphere: [n, k, 3, h, w]."""
    n, channels, height, width = images.shape
    size = (grid, grid) if grid else (height, width)
    drawn = torch.randn(n * count, channels, *size, generator=rng, dtype=images.dtype).to(images.device)
    if grid:
        drawn = interpolate(drawn, size=(height, width), mode="nearest")  # [n·k, 3, h, w]
    unit: Tensor = drawn / drawn.flatten(1).norm(dim=1).view(-1, 1, 1, 1)  # [n·k, 3, h, w]
    return unit.view(n, count, channels, height, width)
