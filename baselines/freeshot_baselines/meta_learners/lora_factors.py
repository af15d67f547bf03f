"""LoRA factors in the order of `lora()`: A [1, r, i] of every slot, then B [1, o, r]."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from freeshot.engine import product_svd
from freeshot.engine.lora.low_rank import fresh_a

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Generator, Tensor


def fresh_factors(like: Sequence[Tensor], rank: int, rng: Generator) -> list[Tensor]:
    """Initialise a LoRA of a rank with the slots of another: A uniform in ±1/√i, B zero."""
    half = len(like) // 2
    fresh = [fresh_a(1, rank, a.shape[2], a, rng) for a in like[:half]]
    return fresh + [b.new_zeros(1, b.shape[1], rank) for b in like[half:]]


def beside(*loras: Sequence[Tensor]) -> list[Tensor]:
    """Concatenate LoRAs along their ranks; the product is the sum of their products."""
    half = len(loras[0]) // 2
    return [torch.cat(parts, 1 if place < half else 2) for place, parts in enumerate(zip(*loras, strict=True))]


def compressed(lora: Sequence[Tensor], rank: int) -> list[Tensor]:
    """Return the LoRA of a rank whose products best approximate another's, as balanced factors."""
    half = len(lora) // 2
    near = [product_svd(a[0], b[0]).nearest(rank) for a, b in zip(lora[:half], lora[half:], strict=True)]
    found = [a for a, _ in near] + [b for _, b in near]
    return [factor.unsqueeze(0).to(like) for factor, like in zip(found, lora, strict=True)]
