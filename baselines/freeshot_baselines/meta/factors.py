"""LoRA factors as meta-learners hold them: A [1, r, i] of every place, then B [1, o, r], in the order of `lora()`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Generator, Tensor


def fresh_factors(like: Sequence[Tensor], rank: int, rng: Generator) -> list[Tensor]:
    """Start a LoRA of a rank at the places of another as LoRA starts: A uniform in ±1/√i, B zero."""
    half = len(like) // 2
    fresh = []
    for a in like[:half]:
        width = a.shape[2]
        uniform = torch.rand(1, rank, width, generator=rng, dtype=a.dtype) * 2 - 1
        fresh.append((uniform / width**0.5).to(a.device))
    return fresh + [b.new_zeros(1, b.shape[1], rank) for b in like[half:]]


def beside(*loras: Sequence[Tensor]) -> list[Tensor]:
    """Set LoRAs side by side: one of their ranks' sum, whose product is the sum of their products."""
    half = len(loras[0]) // 2
    return [torch.cat(parts, 1 if place < half else 2) for place, parts in enumerate(zip(*loras, strict=True))]


def compressed(lora: Sequence[Tensor], rank: int) -> list[Tensor]:
    """Return the LoRA of a rank whose products are nearest to another's (Eckart and Young), as factors of equal length.

    The singular values of B·A are those of a small matrix: the triangles of both factors, multiplied.
    """
    half = len(lora) // 2
    found_a, found_b = [], []
    for a, b in zip(lora[:half], lora[half:], strict=True):
        left, upper = torch.linalg.qr(b[0].double())  # [o, m], [m, R]
        right, other = torch.linalg.qr(a[0].mT.double())  # [i, m], [m, R]
        u, s, v = torch.linalg.svd(upper @ other.mT, full_matrices=False)
        root = s[:rank].sqrt()
        found_a.append(((root[:, None] * v[:rank]) @ right.mT).unsqueeze(0).to(a))
        found_b.append((left @ (u[:, :rank] * root)).unsqueeze(0).to(b))
    return found_a + found_b
