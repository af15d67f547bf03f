"""LoRAs as vectors: factors in a canonical form, then the principal coordinates of a pool.

Axes: l LoRAs, r rank, i and o inputs and outputs of a slot, p weights of a LoRA, m coordinates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from freeshot import LoraEntry, Slot
from freeshot.engine import padded, product_svd


def canonical(a: Tensor, b: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return the factors A [r, i] and B [o, r] of B·A that depend on the product only, padded to a rank.

    A = √S·Vᵀ and B = U·√S of its SVD, with the largest entry of each right vector positive: otherwise the same LoRA has
    many factorisations (B·M, M⁻¹·A), and interpolation between two LoRAs is meaningless.
    """
    svd = product_svd(a, b)
    u, v = svd.u, svd.v  # [o, m], [m, i]
    sign = v.gather(1, v.abs().argmax(1, keepdim=True)).sign()
    u, v = u * sign.mT, v * sign
    return padded(svd.s.sqrt()[:, None] * v, u * svd.s.sqrt(), rank)


@dataclass(frozen=True, eq=False)
class LoraSpace:
    """The principal components of the LoRAs of a pool, as many as there are LoRAs."""

    shapes: Mapping[Slot, tuple[int, int, int]]
    """Slot → (r, i, o)."""
    centre: Tensor
    """[p]."""
    axes: Tensor
    """[m, p], orthonormal."""
    scale: Tensor
    """Divisor of the coordinates, which makes their mean square one."""
    coordinates: Tensor
    """[l, m], the pool's own LoRAs."""

    def lora(self, coordinates: Tensor) -> dict[Slot, tuple[Tensor, Tensor]]:
        """Convert coordinates [m] to factors: slot → (A [r, i], B [o, r])."""
        vector = self.centre + (coordinates.to(self.axes) * self.scale) @ self.axes
        factors, start = {}, 0
        for slot, (rank, inputs, outputs) in self.shapes.items():
            middle, end = start + rank * inputs, start + rank * (inputs + outputs)
            a, b = vector[start:middle].view(rank, inputs), vector[middle:end].view(outputs, rank)
            factors[slot] = (a.float(), b.float())
            start = end
        return factors


def lora_space(entries: Sequence[LoraEntry]) -> LoraSpace:
    """Compute the principal components of a pool; lower ranks and missing slots count as zeros."""
    shapes: dict[Slot, tuple[int, int, int]] = {}
    for entry in entries:
        for slot, (a, b) in entry.factors.items():
            rank = max(shapes.get(slot, (0,))[0], len(a))
            shapes[slot] = (rank, a.shape[1], len(b))
    shapes = {slot: shapes[slot] for slot in sorted(shapes)}
    vectors = torch.stack([_vector(entry, shapes) for entry in entries])  # [l, p]
    centre = vectors.mean(0)
    _, lengths, axes = torch.linalg.svd(vectors - centre, full_matrices=False)
    axes = axes[lengths > 1e-9 * lengths.max().clamp(min=1e-30)]
    coordinates = (vectors - centre) @ axes.mT  # [l, m]
    scale = coordinates.square().mean().sqrt().clamp(min=1e-12) if coordinates.numel() else centre.new_ones(())
    return LoraSpace(shapes, centre, axes, scale, coordinates / scale)


def _vector(entry: LoraEntry, shapes: Mapping[Slot, tuple[int, int, int]]) -> Tensor:
    parts = []
    for slot, (rank, inputs, outputs) in shapes.items():
        if slot in entry.factors:
            parts += [factor.flatten() for factor in canonical(*entry.factors[slot], rank)]
        else:
            parts.append(torch.zeros(rank * (inputs + outputs), dtype=torch.float64))
    return torch.cat(parts)
