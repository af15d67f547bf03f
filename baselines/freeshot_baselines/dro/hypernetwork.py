"""A hypernetwork from a task embedding to the weights of a LoRA, chunk by chunk, and its worst-case embeddings.

The worst cases lie within a Wasserstein ball around the embeddings, found by gradient ascent: moving each of l points
by δ_i costs √(mean ‖δ_i‖²), an upper bound on the 2-Wasserstein distance, and equal to it for small moves.

Axes: l LoRAs, e numbers of an embedding, s slots, m numbers of a chunk.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn

from freeshot.engine.inversion.image_generator import start_from

CODE = 16
"""Width of the slot codes."""


class Hypernetwork(nn.Module):
    """Task embeddings, slot codes, and a small network from both to a chunk of weights."""

    def __init__(self, chunks: Tensor, embedding: int, hidden: int, rng: Generator) -> None:
        super().__init__()
        loras, slots, numbers = chunks.shape
        self.tasks = nn.Parameter(standardized(torch.randn(loras, embedding, generator=rng, dtype=chunks.dtype)))
        self.codes = nn.Parameter(torch.randn(slots, CODE, generator=rng, dtype=chunks.dtype))
        self.common = nn.Parameter(chunks.mean(0))  # the LoRAs' common part needs no embedding
        self.body = nn.Sequential(
            *(nn.Linear(embedding + CODE, hidden), nn.SiLU()),
            *(nn.Linear(hidden, hidden), nn.SiLU()),
            nn.Linear(hidden, numbers),
        ).to(chunks.dtype)
        start_from(self.body, rng)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Map embeddings [l, e] to chunks [l, s, m]."""
        shape = len(embeddings), len(self.codes), -1
        both = [embeddings.unsqueeze(1).expand(shape), self.codes.expand(shape)]  # [l, s, e], [l, s, codes]
        chunks: Tensor = self.common + self.body(torch.cat(both, dim=-1))
        return chunks


def standardized(embeddings: Tensor) -> Tensor:
    """Centre embeddings [l, e] and scale them to a root mean square norm of one, the unit of the radius."""
    centred = embeddings - embeddings.mean(0)
    return centred / centred.square().sum(1).mean().sqrt().clamp(min=1e-12)


def length(moves: Tensor) -> Tensor:
    """Return the cost of moves [l, e]: √(mean ‖δ_i‖²)."""
    return moves.square().sum(1).mean().sqrt()


def projected(moves: Tensor, radius: float) -> Tensor:
    """Scale moves [l, e] down to the ball of this radius."""
    return moves * (radius / length(moves).clamp(min=1e-12)).clamp(max=1)


def start_moves(shape: tuple[int, ...], radius: float, rng: Generator, like: Tensor) -> Tensor:
    """Draw random moves inside the ball, because a perfect fit has no gradient at zero."""
    return projected(torch.randn(shape, generator=rng, dtype=like.dtype).to(like.device), 0.1 * radius)


def worst_moves(loss: Callable[[Tensor], Tensor], moves: Tensor, radius: float, ascent: int) -> Tensor:
    """Ascend from moves [l, e] to moves in the ball with high `loss(moves)`, a scalar; detached.

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
