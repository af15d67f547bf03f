"""Weight updates of LoRAs, and their conversion to a LoRA.

Axes: l LoRAs, r rank, i and o inputs and outputs of a layer's slot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from freeshot import Adapter, LoraEntry, Slot
from freeshot.engine import adapter_of, padded


def stacked_deltas(entries: Sequence[LoraEntry], slot: Slot) -> Tensor:
    """Return B·A of each LoRA at a slot [l, o, i]; zero for a LoRA without that slot."""
    factors = [entry.factors.get(slot) for entry in entries]
    like = next(b @ a for a, b in filter(None, factors))
    return torch.stack([torch.zeros_like(like) if pair is None else pair[1] @ pair[0] for pair in factors])


def mean_factors(entries: Sequence[LoraEntry], slot: Slot) -> tuple[Tensor, Tensor]:
    """Average A [r, i] and B [o, r] separately; lower ranks are zero-padded and missing ones count as zero."""
    a, b = stacked_factors(entries, slot)
    return a.sum(0) / len(entries), b.sum(0) / len(entries)


def stacked_factors(entries: Sequence[LoraEntry], slot: Slot) -> tuple[Tensor, Tensor]:
    """Return A [l, r, i] and B [l, o, r] of each LoRA at a slot; lower ranks and missing ones are zero-padded."""
    factors = [entry.factors.get(slot) for entry in entries]
    pairs = list(filter(None, factors))
    rank = max(len(a) for a, _ in pairs)
    absent = (pairs[0][0][:0], pairs[0][1][:, :0])
    filled = [padded(*(pair or absent), rank) for pair in factors]
    return torch.stack([a for a, _ in filled]), torch.stack([b for _, b in filled])


def truncated(delta: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return the factors A [r, i] and B [o, r] of the best approximation of a rank (Eckart and Young); 0 keeps all."""
    u, s, v = torch.linalg.svd(delta.double(), full_matrices=False)
    kept = min(rank, len(s)) if rank else len(s)
    root = s[:kept].sqrt()
    return (root[:, None] * v[:kept]).to(delta), (u[:, :kept] * root).to(delta)


def lora_that_adds(deltas: Mapping[Slot, Tensor], rank: int) -> Adapter:
    """Return a LoRA of a rank that best approximates these updates [o, i]; rank 0 is exact."""
    return adapter_of({slot: truncated(delta, rank) for slot, delta in deltas.items()}, {"rank": rank})
