"""Worst cases within a Wasserstein ball around an empirical distribution, found by gradient ascent.

Moving each of l points by δ_i costs √(mean ‖δ_i‖²): an upper bound on the 2-Wasserstein distance, and the distance
itself while moves are small. Axes: l points, d their numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Generator, Tensor


def length(moves: Tensor) -> Tensor:
    """Return how far points are moved by [l, d]: √(mean ‖δ_i‖²)."""
    return moves.square().sum(1).mean().sqrt()


def projected(moves: Tensor, radius: float) -> Tensor:
    """Shorten moves [l, d] so that they stay in the ball of this radius."""
    return moves * (radius / length(moves).clamp(min=1e-12)).clamp(max=1)


def start_moves(shape: tuple[int, ...], radius: float, rng: Generator, like: Tensor) -> Tensor:
    """Draw moves inside of the ball: where a fit is perfect the loss has no slope to climb at zero."""
    return projected(torch.randn(shape, generator=rng, dtype=like.dtype).to(like.device), 0.1 * radius)


def worst_moves(loss: Callable[[Tensor], Tensor], moves: Tensor, radius: float, ascent: int) -> Tensor:
    """Climb from moves [l, d] to others in the ball where `loss(moves)`, a scalar, is high; detached.

    Each step goes half the radius along the gradient, all points together, and back into the ball.
    """
    if radius == 0:
        return torch.zeros_like(moves)
    for _ in range(ascent):
        moves = moves.detach().requires_grad_()
        (slope,) = torch.autograd.grad(loss(moves), moves)
        step = slope * (0.5 * radius / length(slope).clamp(min=1e-12))
        moves = projected(moves + step, radius)
    return moves.detach()
