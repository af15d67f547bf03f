"""The frozen backbone with one shared, trainable LoRA: what a meta-learner trains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeshot.contracts.flow import Adapter
from freeshot.contracts.pool import Slot
from freeshot.engine.bank import LoraBank, slots_of
from freeshot.engine.forward import look

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from torch import Generator, Tensor
    from torch.nn import Parameter

    from freeshot.engine.backbone import Backbone


class SharedLora:
    """A bank of one LoRA, seen as a model; implements `freeshot.Model`."""

    def __init__(self, backbone: Backbone, rank: int, rng: Generator, targets: Sequence[str] = ("q", "v")) -> None:
        self.backbone = backbone
        self.bank = LoraBank.fresh(backbone.vit, slots_of(backbone.vit, targets), rank, 1, rng)
        self.device: torch.device = backbone.device

    def embed(self, images: Tensor, kept: Tensor | None = None) -> Tensor:
        """Map images [n, 3, h, w] in 0…1, seen through the kept patches [n, k], to features [n, d]."""
        return look(self.backbone, images, self.bank, kept).features

    def lora(self) -> Sequence[Parameter]:
        """Return the trainable weights."""
        return tuple(self.bank.parameters())

    def snapshot(self) -> Adapter:
        """Copy the LoRA as it stands."""
        tensors = {}
        for place, slot in enumerate(self.bank.slots):
            stem = f"{slot.module}[{slot.start}:{slot.stop}]"
            tensors[f"{stem}.A"] = self.bank.a[place].detach()[0].cpu().clone()
            tensors[f"{stem}.B"] = self.bank.b[place].detach()[0].cpu().clone()
        return Adapter(tensors)


def bank_of(adapter: Adapter, like: Tensor) -> LoraBank:
    """Turn a snapshot back into a bank of one LoRA."""
    factors = {}
    for name, a in adapter.tensors.items():
        if name.endswith(".A"):
            stem = name.removesuffix(".A")
            module, _, rows = stem.partition("[")
            start, _, stop = rows.removesuffix("]").partition(":")
            slot = Slot(module, int(start), int(stop))
            factors[slot] = (a.unsqueeze(0).to(like), adapter.tensors[f"{stem}.B"].unsqueeze(0).to(like))
    return LoraBank(factors)
