"""LoRAs as comparable vectors: B·A has many factorisations, its singular value decomposition is unique.

Axes: l LoRAs, s slots, r rank, i and o inputs and outputs of a slot, m numbers of a chunk (the longest slot's).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from freeshot import LoraEntry, Slot
from freeshot.engine import slots_of_all
from freeshot_baselines.composition.deltas import stacked_deltas, truncated


def factored(delta: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Factor a matrix [o, i] uniquely: descending singular values, shared evenly, with fixed signs.

    The entry of largest modulus in each row of A is positive; B's column has the corresponding sign.
    """
    a, b = truncated(delta, rank)  # [r, i], [o, r]
    largest = a.gather(1, a.abs().argmax(1, keepdim=True))  # [r, 1]
    sign = torch.where(largest < 0, -1.0, 1.0).to(a)
    return a * sign, b * sign.mT


@dataclass(frozen=True, eq=False)
class Chunks:
    """The factors of all LoRAs, one chunk of numbers per slot, each slot in units of its own root mean square."""

    values: Tensor
    """[l, s, m]; shorter slots are zero-padded."""
    spread: Tensor
    """[s], root mean square of a slot's numbers."""
    shapes: dict[Slot, tuple[int, int, int]]
    """slot → r, i, o."""

    def factors(self, chunks: Tensor) -> dict[Slot, tuple[Tensor, Tensor]]:
        """Convert chunks [.., s, m] to factors: slot → (A [.., r, i], B [.., o, r])."""
        factors = {}
        for index, (slot, (r, i, o)) in enumerate(self.shapes.items()):
            numbers = chunks[..., index, :] * self.spread[index]
            a, b = numbers[..., : r * i], numbers[..., r * i : r * (i + o)]
            factors[slot] = (a.reshape(*a.shape[:-1], r, i), b.reshape(*b.shape[:-1], o, r))
        return factors


def chunks_of(entries: Sequence[LoraEntry]) -> Chunks:
    """Convert the LoRAs of a pool to their canonical form; lower ranks are zero-padded."""
    rank = max(entry.rank for entry in entries)
    rows, shapes = [], {}
    for slot in slots_of_all(entries):
        pairs = [factored(delta, rank) for delta in stacked_deltas(entries, slot)]
        rows.append(torch.stack([torch.cat([a.flatten(), b.flatten()]) for a, b in pairs]))  # [l, r·(i + o)]
        shapes[slot] = (len(pairs[0][0]), pairs[0][0].shape[1], len(pairs[0][1]))
    spread = torch.stack([row.square().mean().sqrt() for row in rows])
    longest = max(row.shape[1] for row in rows)
    values = torch.stack([pad(row / unit, (0, longest - row.shape[1])) for row, unit in zip(rows, spread, strict=True)])
    return Chunks(values.transpose(0, 1).contiguous(), spread, shapes)


def factor_distance(first: Tensor, second: Tensor, chunks: Chunks) -> Tensor:
    """Return the mean squared difference of canonical factors [.., s, m], with equal weight per slot: [..]."""
    lengths = first.new_tensor([r * (i + o) for r, i, o in chunks.shapes.values()])
    return ((first - second).square().sum(-1) / lengths).mean(-1)


def product_distance(first: Tensor, second: Tensor, chunks: Chunks) -> Tensor:
    """Return the squared distance of the products B·A of chunks [.., s, m] in units of the second's: [..].

    The products are never formed: ‖BA − DC‖² = ⟨BᵀB, AAᵀ⟩ − 2⟨BᵀD, ACᵀ⟩ + ⟨DᵀD, CCᵀ⟩.
    """
    terms = []
    for (a, b), (c, d) in zip(chunks.factors(first).values(), chunks.factors(second).values(), strict=True):
        size = _inner(d, c, d, c)
        distance = _inner(b, a, b, a) - 2 * _inner(b, a, d, c) + size
        terms.append(distance / size.detach().mean().clamp(min=torch.finfo(size.dtype).tiny))
    return torch.stack(terms).mean(0)


def _inner(b: Tensor, a: Tensor, d: Tensor, c: Tensor) -> Tensor:
    """Return ⟨BA, DC⟩ [..]."""
    return ((b.mT @ d) * (a @ c.mT)).sum((-2, -1))
