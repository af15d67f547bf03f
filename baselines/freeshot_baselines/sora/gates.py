"""Gates on the ranks of a LoRA, B·diag(g)·A, and the proximal step that closes them (SoRA).

A meta-LoRA is gated as a model, the LoRAs of a pool as a bank. Axes: l LoRAs, r rank, i and o inputs and outputs of a
slot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import Parameter
from torch.nn.functional import pad

from freeshot import Adapter, Model, Slot
from freeshot.engine import LoraBank, adapter_of, factors_of, padded


def soft_threshold(values: Tensor, threshold: float) -> Tensor:
    """Return argmin over x of ½(x − v)² + t·|x|, the proximal operator: shrink values towards zero by t.

    SoRA's released code masks twice and so zeroes everything below 2t.
    """
    return values.sign() * (values.abs() - threshold).clamp(min=0)


class GatedModel:
    """A LoRA B·diag(g)·A; implements `freeshot.Model` with A and B of all slots, then the gates [1, r]."""

    def __init__(self, model: Model, rng: Generator) -> None:
        self._model, self.device = model, model.device
        self.extra: Mapping[str, Parameter] = {}
        self._slots = len(model.lora()) // 2
        # paper: normally distributed at first
        self.gates = [
            Parameter(torch.randn(1, a.shape[1], generator=rng, dtype=a.dtype).to(a.device))
            for a in model.lora()[: self._slots]
        ]

    def embed(self, images: Tensor, kept: Tensor | None = None) -> Tensor:
        """Map images [n, 3, h, w] to features [n, d]."""
        return self.embed_with(self.lora(), images, kept)

    def embed_with(self, weights: Sequence[Tensor], images: Tensor, kept: Tensor | None = None) -> Tensor:
        """Embed with these A, B and gates."""
        count = self._slots
        a, b, gates = weights[:count], weights[count : 2 * count], weights[2 * count :]
        gated = [factor * gate.unsqueeze(1) for factor, gate in zip(b, gates, strict=True)]  # [1, o, r] each
        return self._model.embed_with([*a, *gated], images, kept)

    def lora(self) -> Sequence[Parameter]:
        """Return A of all slots, then B, then gates."""
        return (*self._model.lora(), *self.gates)

    def snapshot(self) -> Adapter:
        """Copy the LoRA with its gates folded into B; the record has the number of open ranks."""
        factors = factors_of(self._model.snapshot())
        gates = [gate.detach()[0].cpu() for gate in self.gates]
        gated = {slot: (a, b * gate) for (slot, (a, b)), gate in zip(factors.items(), gates, strict=True)}
        return adapter_of(gated, {"open_ranks": sum(int(gate.count_nonzero()) for gate in gates)})


class ProximalAdam(torch.optim.Adam):
    """Adam followed by the proximal step of an L1 penalty on some of the weights."""

    def __init__(self, weights: Sequence[Parameter], gates: Sequence[Parameter], lr: float, penalty: float) -> None:
        super().__init__(weights, lr=lr)
        self._gates, self._penalty = gates, penalty

    def step(self, closure: Any = None) -> Any:
        """Take an Adam step, then the proximal step."""
        loss = super().step(closure)
        with torch.no_grad():
            for gate in self._gates:
                gate.copy_(soft_threshold(gate, self.param_groups[0]["lr"] * self._penalty))
        return loss


class GatedBank(LoraBank):
    """A bank that adds B·diag(g)·A, with one gate per rank, slot and LoRA, and an L1 penalty on the gates."""

    def __init__(
        self, factors: Mapping[Slot, tuple[Tensor, Tensor]], gates: Mapping[Slot, Tensor], penalty: float
    ) -> None:
        super().__init__(factors)
        self.g = nn.ParameterList([Parameter(gates[slot].detach().clone()) for slot in self.slots])  # [l, r] each
        self._penalty = penalty

    def after_step(self, rate: float) -> None:
        """Take the proximal step: gates within rate × penalty close, except the strongest of a slot.

        Keeping the strongest is our addition: a slot that adds nothing would be refused when the pool is opened.
        """
        with torch.no_grad():
            for gates in self.g:
                nearer = soft_threshold(gates, rate * self._penalty)
                strongest = gates.abs().argmax(1, keepdim=True)  # [l, 1]
                kept = nearer.gather(1, strongest)
                nearer.scatter_(1, strongest, torch.where(kept == 0, gates.gather(1, strongest), kept))
                gates.copy_(nearer)

    def clip_gradients(self, limit: float, *others: Tensor) -> Tensor:
        """Clip the gradient of each LoRA, gates included."""
        return super().clip_gradients(limit, *others, *self.g)

    def entry_factors(self, index: int) -> dict[Slot, tuple[Tensor, Tensor]]:
        """Copy one LoRA, gates folded into B and closed ranks removed; slots are zero-padded to the same rank."""
        opened = {}
        for (slot, (a, b)), gates in zip(super().entry_factors(index).items(), self.g, strict=True):
            gate = gates.detach()[index].cpu()
            ranks = gate.nonzero().flatten()  # [open ranks]
            opened[slot] = (a[ranks], b[:, ranks] * gate[ranks])
        rank = max(len(a) for a, _ in opened.values())
        return {slot: padded(a, b, rank) for slot, (a, b) in opened.items()}

    def _block(self, index: int, width: int) -> Tensor:
        """Pad B·diag(g) with zero rows to the width of the fused layer: [l, width, r]."""
        slot = self.slots[index]
        gated = self.b[index] * self.g[index].unsqueeze(1)
        return pad(gated, (0, 0, slot.start, width - slot.stop))


def gated_bank(bank: LoraBank, penalty: float, streams: Callable[[str], Sequence[Generator]]) -> GatedBank:
    """Add gates to the LoRAs of a new pool, drawn from one random stream per LoRA."""
    draws, (count, rank) = streams("gates"), bank.a[0].shape[:2]
    assert len(draws) == count
    gates = {slot: torch.stack([torch.randn(rank, generator=rng) for rng in draws]) for slot in bank.slots}  # [l, r]
    factors = {slot: (a, b) for slot, a, b in zip(bank.slots, bank.a, bank.b, strict=True)}
    return GatedBank(factors, {slot: gate.to(bank.a[0]) for slot, gate in gates.items()}, penalty)
