"""A model with gates on the ranks of its LoRA, and the optimiser that closes them.

Axes: r rank, i and o inputs and outputs of a slot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import Parameter

from freeshot.engine import adapter_of, factors_of
from freeshot.ops.proximal import soft_threshold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Generator, Tensor

    from freeshot import Adapter, Model


class GatedModel:
    """A LoRA B·diag(g)·A; implements `freeshot.Model` with A and B of all slots, then the gates [1, r]."""

    def __init__(self, model: Model, rng: Generator) -> None:
        self._model, self.device = model, model.device
        self.extra: Mapping[str, Parameter] = {}
        self._places = len(model.lora()) // 2
        # as in the paper
        self.gates = [
            Parameter(torch.randn(1, a.shape[1], generator=rng, dtype=a.dtype).to(a.device))
            for a in model.lora()[: self._places]
        ]

    def embed(self, images: Tensor, kept: Tensor | None = None) -> Tensor:
        """Map images [n, 3, h, w] to features [n, d]."""
        return self.embed_with(self.lora(), images, kept)

    def embed_with(self, weights: Sequence[Tensor], images: Tensor, kept: Tensor | None = None) -> Tensor:
        """Embed with these A, B and gates."""
        count = self._places
        a, b, gates = weights[:count], weights[count : 2 * count], weights[2 * count :]
        gated = [factor * gate.unsqueeze(1) for factor, gate in zip(b, gates, strict=True)]
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
        found = super().step(closure)
        with torch.no_grad():
            for gate in self._gates:
                gate.copy_(soft_threshold(gate, self.param_groups[0]["lr"] * self._penalty))
        return found
