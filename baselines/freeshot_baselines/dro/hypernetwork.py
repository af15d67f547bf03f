"""A hypernetwork: from a task embedding to the weights of a LoRA, chunk by chunk.

Axes: l LoRAs, e numbers of an embedding, s slots, m numbers of a chunk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from freeshot.engine.inversion.image_generator import start_from

if TYPE_CHECKING:
    from torch import Generator

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
