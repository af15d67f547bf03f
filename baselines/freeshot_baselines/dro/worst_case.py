"""Worst cases within a Wasserstein ball around an empirical distribution, found by gradient ascent.

Moving each of l points by δ_i costs √(mean ‖δ_i‖²): an upper bound on the 2-Wasserstein distance, and equal to it for
small moves. Axes: l points, d coordinates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Generator, Tensor


def length(moves: Tensor) -> Tensor:
    """Return the cost of moves [l, d]: √(mean ‖δ_i‖²)."""
    return moves.square().sum(1).mean().sqrt()


def projected(moves: Tensor, radius: float) -> Tensor:
    """Scale moves [l, d] down to the ball of this radius."""
    return moves * (radius / length(moves).clamp(min=1e-12)).clamp(max=1)


def start_moves(shape: tuple[int, ...], radius: float, rng: Generator, like: Tensor) -> Tensor:
    """Draw random moves inside the ball, because a perfect fit has no gradient at zero."""
    return projected(torch.randn(shape, generator=rng, dtype=like.dtype).to(like.device), 0.1 * radius)


def worst_moves(loss: Callable[[Tensor], Tensor], moves: Tensor, radius: float, ascent: int) -> Tensor:
    """Ascend from moves [l, d] to moves in the ball with high `loss(moves)`, a scalar; detached.

    Each step moves all points jointly by half the radius along the gradient, then projects back into the ball.
    """
    if radius == 0:
        return torch.zeros_like(moves)
    for _ in range(ascent):
        moves = moves.detach().requires_grad_()
        (slope,) = torch.autograd.grad(loss(moves), moves)
        step = slope * (0.5 * radius / length(slope).clamp(min=1e-12))
        moves = projected(moves + step, radius)
    return moves.detach()
