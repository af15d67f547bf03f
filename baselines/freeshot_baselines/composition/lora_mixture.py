"""Weighted sums of a pool's LoRAs with separate coefficients per group of images, exact and differentiable.

The factors of all LoRAs are stacked: Σ wᵢ·BᵢAᵢ is one LoRA of rank R, the sum of the ranks, with w between its factors.

Axes: g groups of images, l LoRAs, s slots, R ranks of all LoRAs at one slot, i and o inputs and outputs, n images, t
tokens.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from freeshot import LoraEntry, Slot
from freeshot.engine import slots_of_all
from freeshot_baselines.composition.deltas import stacked_factors


@dataclass(frozen=True, eq=False)
class SlotFactors:
    """The factors of all LoRAs at one slot."""

    slot: Slot
    index: int
    """Index of the slot, counted through all layers."""
    a: Tensor
    """[l, r, i], lower ranks zero-padded."""
    b: Tensor
    """[l, o, r]."""


@dataclass(frozen=True, eq=False)
class LoraStack:
    """A pool's LoRAs with factors stacked slot by slot."""

    layers: Mapping[str, Sequence[SlotFactors]]
    loras: int
    slots: tuple[Slot, ...]

    @classmethod
    def of(cls, entries: Sequence[LoraEntry], like: Tensor, *, unit: bool = False) -> LoraStack:
        """Stack LoRAs; `unit` divides each B·A by ‖B‖·‖A‖, which leaves directions only."""
        slots = slots_of_all(entries)
        layers = defaultdict(list)
        for index, slot in enumerate(slots):
            a, b = stacked_factors(entries, slot)
            if unit:
                norms = a.flatten(1).norm(dim=1) * b.flatten(1).norm(dim=1)  # [l]
                b = b / norms.clamp(min=1e-12).view(-1, 1, 1)  # not in place: the original belongs to the pool
            layers[slot.module].append(SlotFactors(slot, index, a.to(like), b.to(like)))
        return cls(dict(layers), len(entries), slots)

    def mixed(self, weights: Tensor) -> WeightedSum:
        """Weight the LoRAs for each group of images: [g, l] for all slots, or [g, l, s] per slot."""
        return WeightedSum(self, weights)

    def chosen(self, loras: Tensor, weights: Tensor) -> SparseSum:
        """Select a few LoRAs [g, k] with weights [g, k] for each group; the others cost nothing."""
        return SparseSum(self, weights, loras)


@dataclass(frozen=True, eq=False)
class _Sum(ABC):
    """A sum of a stack's LoRAs, slot by slot; usable as the additive adapter of `forward`."""

    stack: LoraStack
    weights: Tensor

    @property
    def modules_touched(self) -> tuple[str, ...]:
        """Names of the linear layers that it modifies."""
        return tuple(self.stack.layers)

    def delta(self, module: str, inputs: Tensor, width: int) -> Tensor:
        """Return the addition to a layer's output: inputs [n, t, i], n ordered by group → [n, t, width]."""
        out = inputs.new_zeros(*inputs.shape[:2], width)
        for factors in self.stack.layers[module]:
            out[..., factors.slot.start : factors.slot.stop] = self.at(factors, inputs)
        return out

    @abstractmethod
    def at(self, factors: SlotFactors, inputs: Tensor) -> Tensor:
        """Return the addition at one slot: [n, t, o]."""


class WeightedSum(_Sum):
    """The weighted sum of a stack's LoRAs: weights [g, l] or [g, l, s]."""

    def at(self, factors: SlotFactors, inputs: Tensor) -> Tensor:
        """Multiply by each group's summed matrix, or by the stacked factors if that is cheaper."""
        weights = self.weights if self.weights.ndim == 2 else self.weights[:, :, factors.index]
        groups, (loras, rank, i) = len(weights), factors.a.shape
        a, b = factors.a.flatten(0, 1), factors.b.transpose(0, 1).flatten(1)  # [R, i], [o, R]
        by_rank = weights.repeat_interleave(rank, dim=1).unsqueeze(1)  # [g, 1, R]
        grouped = inputs.reshape(groups, -1, i)
        tokens, r, o = grouped.shape[1], loras * rank, len(b)
        if r * o * i + tokens * o * i < tokens * r * (o + i):
            summed = (b * by_rank) @ a  # [g, o, i]
            out = grouped @ summed.mT
        else:
            out = (grouped @ a.mT * by_rank) @ b.mT
        return out.view(*inputs.shape[:2], o)


@dataclass(frozen=True, eq=False)
class SparseSum(_Sum):
    """The weighted sum of a few LoRAs, selected per group: weights [g, k]."""

    loras: Tensor
    """[g, k]."""

    def at(self, factors: SlotFactors, inputs: Tensor) -> Tensor:
        """Multiply by the gathered factors of the selected LoRAs."""
        a = factors.a[self.loras].flatten(1, 2)  # [g, k·r, i]
        b = (factors.b[self.loras] * self.weights[..., None, None]).transpose(1, 2).flatten(2)  # [g, o, k·r]
        grouped = inputs.reshape(len(a), -1, a.shape[-1])
        return (grouped @ a.mT @ b.mT).view(*inputs.shape[:2], -1)
