"""Sums of a pool's LoRAs with other coefficients for every group of images, exact and differentiable.

The factors of all LoRAs are stacked: Σ wᵢ·BᵢAᵢ is one LoRA of rank R, the sum of the ranks, with w between its factors.

Axes: g groups of images, l LoRAs, s slots, R ranks of all LoRAs at one layer, i and o inputs and outputs, t tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import pad

from freeshot_baselines.composition.deltas import slots_of_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from freeshot import LoraEntry, Slot


@dataclass(frozen=True, eq=False)
class Layer:
    """All LoRAs at one linear layer."""

    a: Tensor
    """[R, i]."""
    b: Tensor
    """[o, R], every slot in its rows."""
    lora: Tensor
    """Whose rank it is [R]."""
    slot: Tensor
    """In which slot it acts [R], counted through all layers."""


@dataclass(frozen=True, eq=False)
class Stack:
    """A pool's LoRAs, their factors stacked per layer."""

    layers: Mapping[str, Layer]
    loras: int
    slots: tuple[Slot, ...]

    @classmethod
    def of(cls, entries: Sequence[LoraEntry], widths: Mapping[str, int], like: Tensor, *, unit: bool = False) -> Stack:
        """Stack LoRAs on layers of these widths; `unit` divides each B·A by ‖B‖·‖A‖, so that directions are left."""
        slots = slots_of_all(entries)
        layers = {}
        for module in dict.fromkeys(slot.module for slot in slots):
            parts = [
                (place, number, slot, *entry.factors[slot])
                for place, slot in enumerate(slots)
                for number, entry in enumerate(entries)
                if slot.module == module and slot in entry.factors
            ]
            norms = [float(a.norm() * b.norm()) if unit else 1.0 for *_, a, b in parts]
            rows = [
                pad(b / max(norm, 1e-12), (0, 0, slot.start, widths[module] - slot.stop))
                for (_, _, slot, _, b), norm in zip(parts, norms, strict=True)
            ]
            layers[module] = Layer(
                torch.cat([a for *_, a, _ in parts]).to(like),
                torch.cat(rows, dim=1).to(like),
                torch.tensor([number for _, number, _, a, _ in parts for _ in a], device=like.device),
                torch.tensor([place for place, *_, a, _ in parts for _ in a], device=like.device),
            )
        return cls(layers, len(entries), slots)

    def mixed(self, weights: Tensor) -> Mixed:
        """Weigh the LoRAs for each group of images: [g, l] for all slots alike, or [g, l, s] slot by slot."""
        return Mixed(self, weights)


@dataclass(frozen=True, eq=False)
class Mixed:
    """The weighted sum of a stack's LoRAs; implements what `look` adds to a network."""

    stack: Stack
    weights: Tensor

    @property
    def modules_touched(self) -> tuple[str, ...]:
        """Names of the linear layers it acts on."""
        return tuple(self.stack.layers)

    def delta(self, module: str, inputs: Tensor, width: int) -> Tensor:
        """Return what the sum adds to a layer's output: inputs [n, t, i], n ordered by group → [n, t, o]."""
        layer = self.stack.layers[module]
        place = (layer.lora,) if self.weights.ndim == 2 else (layer.lora, layer.slot)
        by_rank = self.weights[:, *place]  # [g, R]
        inner = inputs @ layer.a.mT  # [n, t, R]
        grouped = inner.reshape(len(by_rank), -1, inner.shape[-1]) * by_rank.unsqueeze(1)
        return grouped.view(inner.shape) @ layer.b.mT
