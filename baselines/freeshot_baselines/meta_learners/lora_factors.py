"""LoRA factors in the order of `lora()`: A [1, r, i] of every slot, then B [1, o, r]."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from freeshot.engine import product_svd
from freeshot.engine.lora.low_rank import fresh_a


def fresh_factors(like: Sequence[Tensor], rank: int, rng: Generator) -> list[Tensor]:
    """Initialise a LoRA of a rank with the slots of another: A uniform in ±1/√i, B zero."""
    half = len(like) // 2
    fresh = [fresh_a(1, rank, a.shape[2], a, rng) for a in like[:half]]
    return fresh + [b.new_zeros(1, b.shape[1], rank) for b in like[half:]]  # A [1, rank, i], then B [1, o, rank]


def joined(*loras: Sequence[Tensor]) -> list[Tensor]:
    """Concatenate LoRAs along their ranks; the product is the sum of their products."""
    half = len(loras[0]) // 2
    return [torch.cat(parts, 1 if index < half else 2) for index, parts in enumerate(zip(*loras, strict=True))]


def compressed(lora: Sequence[Tensor], rank: int) -> list[Tensor]:
    """Return the LoRA of a rank whose products best approximate another's, as balanced factors."""
    half = len(lora) // 2
    near = [product_svd(a[0], b[0]).nearest(rank) for a, b in zip(lora[:half], lora[half:], strict=True)]
    factors = [a for a, _ in near] + [b for _, b in near]  # A [rank, i], then B [o, rank]
    return [factor.unsqueeze(0).to(like) for factor, like in zip(factors, lora, strict=True)]
