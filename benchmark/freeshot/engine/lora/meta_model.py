"""The frozen backbone with one trainable meta-LoRA, the model of meta-learners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call

from freeshot.contracts.pool import Slot
from freeshot.contracts.tensors import Adapter
from freeshot.engine.lora.bank import LoraBank, slots_of
from freeshot.engine.vit.backbone import Backbone
from freeshot.engine.vit.forward import forward


class SharedLora(nn.Module):
    """The backbone with a bank of one LoRA; implements `freeshot.Model`. Its parameters are the LoRA's only."""

    def __init__(self, backbone: Backbone, rank: int, rng: Generator, targets: Sequence[str] = ("q", "v")) -> None:
        super().__init__()
        self.backbone = backbone
        self.bank = LoraBank.fresh(backbone.vit, slots_of(backbone.vit, targets), rank, 1, rng)
        self.device: torch.device = backbone.device
        self.extra: Mapping[str, nn.Parameter] = {}

    def embed(self, images: Tensor, kept: Tensor | None = None) -> Tensor:
        """Map images [n, 3, h, w] in 0…1, reduced to the kept patches [n, k], to features [n, d]."""
        return forward(self.backbone, images, self.bank, kept).features

    forward = embed  # called by functional_call

    def embed_with(self, weights: Sequence[Tensor], images: Tensor, kept: Tensor | None = None) -> Tensor:
        """Embed with these tensors instead of `lora()`, differentiable in them; their rank may differ."""
        names = [name for name, _ in self.named_parameters()]
        features: Tensor = functional_call(self, dict(zip(names, weights, strict=True)), (images, kept), strict=True)
        return features

    def lora(self) -> Sequence[nn.Parameter]:
        """Return the trainable weights: A [1, r, i] of every slot, then B [1, o, r]."""
        return tuple(self.bank.parameters())

    def snapshot(self) -> Adapter:
        """Copy the LoRA's current weights."""
        return adapter_of(self.bank.entry_factors(0))


def adapter_of(factors: Mapping[Slot, tuple[Tensor, Tensor]], facts: Mapping[str, Any] | None = None) -> Adapter:
    """Name factors A [r, i] and B [o, r] by layer and rows: 'blocks.0.attn.qkv[0:128].A'."""
    tensors: dict[str, Tensor] = {}
    for slot, (a, b) in factors.items():
        stem = f"{slot.module}[{slot.start}:{slot.stop}]"
        tensors |= {f"{stem}.A": a, f"{stem}.B": b}
    return Adapter(tensors, facts or {})


def factors_of(adapter: Adapter) -> dict[Slot, tuple[Tensor, Tensor]]:
    """Return the factors of an adapter by slot: slot → (A [r, i], B [o, r])."""
    factors = {}
    for name, a in adapter.tensors.items():
        if name.endswith(".A"):
            stem = name.removesuffix(".A")
            module, _, rows = stem.partition("[")
            start, _, stop = rows.removesuffix("]").partition(":")
            factors[Slot(module, int(start), int(stop))] = (a, adapter.tensors[f"{stem}.B"])
    return factors


def sum_of(first: Adapter, second: Adapter) -> Adapter:
    """Return the adapter that adds both: factors are stacked, so ranks add up, in each slot; facts of the second."""
    one, other = factors_of(first), factors_of(second)
    factors = {}
    for slot in sorted(one.keys() | other.keys()):
        pairs = [part[slot] for part in (one, other) if slot in part]
        factors[slot] = (torch.cat([a for a, _ in pairs]), torch.cat([b.to(pairs[0][1]) for _, b in pairs], dim=1))
    return adapter_of(factors, second.facts)


def bank_of(adapter: Adapter, like: Tensor) -> LoraBank:
    """Convert an adapter to a bank of one LoRA."""
    factors = factors_of(adapter)
    return LoraBank({slot: (a.unsqueeze(0).to(like), b.unsqueeze(0).to(like)) for slot, (a, b) in factors.items()})
