"""Gates on the ranks of LoRAs (SoRA): unneeded ranks are closed, so that LoRAs end with different ranks.

Axes: l LoRAs, r rank, i and o inputs and outputs of a slot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from freeshot.engine.lora.bank import LoraBank
from freeshot.engine.lora.low_rank import padded
from freeshot.ops.proximal import soft_threshold

if TYPE_CHECKING:
    from collections.abc import Mapping

    from freeshot.contracts.pool import Slot


class GatedBank(LoraBank):
    """A bank that adds B·diag(g)·A, with one gate per rank, slot and LoRA."""

    def __init__(self, factors: Mapping[Slot, tuple[Tensor, Tensor]], gates: Mapping[Slot, Tensor]) -> None:
        super().__init__(factors)
        self.g = nn.ParameterList([nn.Parameter(gates[slot].detach().clone()) for slot in self.slots])  # [l, r]

    def close(self, threshold: float) -> None:
        """Apply the proximal step: gates within the threshold close, except the strongest of a slot.

        Keeping the strongest is our addition: a slot that adds nothing would be refused when the pool is opened.
        """
        with torch.no_grad():
            for gates in self.g:
                nearer = soft_threshold(gates, threshold)
                strongest = gates.abs().argmax(1, keepdim=True)
                kept = nearer.gather(1, strongest)
                nearer.scatter_(1, strongest, torch.where(kept == 0, gates.gather(1, strongest), kept))
                gates.copy_(nearer)

    def entry_factors(self, index: int) -> dict[Slot, tuple[Tensor, Tensor]]:
        """Copy one LoRA, gates folded into B and closed ranks removed; slots are zero-padded to the same rank."""
        found = super().entry_factors(index)
        opened = {}
        for place, (slot, (a, b)) in enumerate(found.items()):
            gates = self.g[place].detach()[index].cpu()
            there = gates.nonzero().flatten()  # [open ranks]
            opened[slot] = (a[there], b[:, there] * gates[there])
        rank = max(len(a) for a, _ in opened.values())
        return {slot: padded(a, b, rank) for slot, (a, b) in opened.items()}

    def _block(self, place: int, width: int) -> Tensor:
        """Pad B·diag(g) with zero rows to the width of the fused layer: [l, width, r]."""
        slot = self.slots[place]
        gated = self.b[place] * self.g[place].unsqueeze(1)
        return pad(gated, (0, 0, slot.start, width - slot.stop))
