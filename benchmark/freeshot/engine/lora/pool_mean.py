"""The mean of a pool's weight updates."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from freeshot.contracts.pool import LoraEntry, Slot
from freeshot.contracts.tensors import Adapter
from freeshot.engine.lora.meta_model import adapter_of


def slots_of_all(entries: Sequence[LoraEntry]) -> tuple[Slot, ...]:
    """List every slot that any of the LoRAs modifies."""
    return tuple(sorted({slot for entry in entries for slot in entry.factors}))


def mean_as_lora(entries: Sequence[LoraEntry], scale: float = 1.0) -> Adapter:
    """Return the mean of B·A, times `scale`, exactly: one LoRA of all factors stacked, whose rank is the sum of ranks.

    A LoRA without a slot counts as zero there.
    """
    factors = {}
    for slot in slots_of_all(entries):
        pairs = [entry.factors[slot] for entry in entries if slot in entry.factors]
        mean_b = torch.cat([b for _, b in pairs], dim=1) / len(entries)
        factors[slot] = (torch.cat([a for a, _ in pairs]), scale * mean_b)
    return adapter_of(factors)
