"""A bank of LoRAs: l adapters act on l groups of images in one forward pass.

Axes: l LoRAs, r rank, i and o inputs and outputs of a linear layer, n images, t tokens. Images are ordered by LoRA,
equally many for each. The backbone's matrix product is computed once; the bank adds two batched ones.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import pad

from freeshot.basics.errors import PoolError
from freeshot.contracts.pool import LoraEntry, Slot
from freeshot.engine.lora.low_rank import fresh_a, padded

FUSED = {"q": 0, "k": 1, "v": 2}
WHOLE = {"proj": "attn.proj", "fc1": "mlp.fc1", "fc2": "mlp.fc2"}
TARGETS = (*FUSED, *WHOLE)
"""Layers that a LoRA can modify: the parts of timm's fused qkv layer, and the other linear layers of a block."""


def slots_of(vit: nn.Module, targets: Sequence[str] = ("q", "v")) -> tuple[Slot, ...]:
    """Find the slots of the targets in all blocks of a timm ViT, whose q, k and v are one linear layer."""
    unknown = [target for target in targets if target not in TARGETS]
    if unknown or not targets:
        raise PoolError(f"LoRAs can act on {', '.join(TARGETS)}, not on '{', '.join(unknown)}'. Choose from these.")
    slots = [slot for name, module in vit.named_modules() for slot in _slots_in(name, module, targets)]
    if not slots:
        raise PoolError("This backbone has no layer 'attn.qkv', where LoRAs on q and v would act. Use a timm ViT.")
    return tuple(slots)


def _slots_in(name: str, module: nn.Module, targets: Sequence[str]) -> list[Slot]:
    if not isinstance(module, nn.Linear):
        return []
    if name.endswith("attn.qkv"):
        width = module.out_features // 3
        return [Slot(name, FUSED[t] * width, (FUSED[t] + 1) * width) for t in targets if t in FUSED]
    return [Slot(name, 0, module.out_features) for t in targets if t in WHOLE and name.endswith(WHOLE[t])]


def widths_of(vit: nn.Module, slots: Iterable[Slot]) -> dict[str, int]:
    """Return the output width of each layer that the slots belong to."""
    return {slot.module: int(vit.get_submodule(slot.module).out_features) for slot in slots}  # type: ignore[arg-type]


class LoraBank(nn.Module):
    """Stacked LoRA factors per slot: A [l, r, i] and B [l, o, r], added with scale 1."""

    def __init__(self, factors: Mapping[Slot, tuple[Tensor, Tensor]]) -> None:
        super().__init__()
        self.slots = tuple(factors)
        self.a = nn.ParameterList([nn.Parameter(a.detach().clone()) for a, _ in factors.values()])
        self.b = nn.ParameterList([nn.Parameter(b.detach().clone()) for _, b in factors.values()])
        self.count = len(self.a[0])
        self._slots_of: dict[str, list[int]] = defaultdict(list)
        for index, slot in enumerate(self.slots):
            self._slots_of[slot.module].append(index)

    @classmethod
    def fresh(cls, vit: nn.Module, slots: Sequence[Slot], rank: int, count: int, rng: Generator) -> LoraBank:
        """Initialise `count` LoRAs as usual: A uniform in ±1/√i, B zero, so that outputs do not change at first."""
        like = next(vit.parameters())
        factors = {}
        for slot in slots:
            width = int(vit.get_submodule(slot.module).in_features)  # type: ignore[arg-type]
            a = fresh_a(count, rank, width, like, rng)
            factors[slot] = (a, like.new_zeros(count, slot.stop - slot.start, rank))
        return cls(factors)

    @classmethod
    def of(cls, entries: Sequence[LoraEntry], like: Tensor) -> LoraBank:
        """Stack the LoRAs of pool entries; lower ranks are padded with zeros."""
        slots = list(entries[0].factors)
        rank = max(entry.rank for entry in entries)
        if any(set(entry.factors) != set(slots) for entry in entries):
            raise PoolError("LoRAs of one bank must act on the same layers. Invert them separately.")
        factors = {}
        for slot in slots:
            filled = [padded(*entry.factors[slot], rank) for entry in entries]
            a, b = (torch.stack(parts) for parts in zip(*filled, strict=True))  # [l, r, i], [l, o, r]
            factors[slot] = (a.to(like), b.to(like))
        return cls(factors)

    @classmethod
    def joined(cls, banks: Sequence[LoraBank]) -> LoraBank:
        """Concatenate banks with the same slots and rank."""
        return cls(
            {
                slot: (torch.cat([bank.a[index] for bank in banks]), torch.cat([bank.b[index] for bank in banks]))
                for index, slot in enumerate(banks[0].slots)
            }
        )

    @property
    def modules_touched(self) -> tuple[str, ...]:
        """Names of the linear layers that the bank modifies."""
        return tuple(self._slots_of)

    def delta(self, module: str, inputs: Tensor, width: int) -> Tensor:
        """Return the LoRAs' addition to a layer's output: inputs [n, t, i] → [n, t, width]."""
        slots = self._slots_of[module]
        # R is the sum of the ranks of this layer's slots
        a = torch.cat([self.a[index] for index in slots], dim=1)  # [l, R, i]
        b = torch.cat([self._block(index, width) for index in slots], dim=2)  # [l, width, R]
        n, t, i = inputs.shape
        grouped = inputs.reshape(self.count, n // self.count * t, i)  # [l, n/l·t, i]
        return (grouped @ a.mT @ b.mT).reshape(n, t, width)  # [l, n/l·t, width] → [n, t, width]

    def after_step(self, rate: float) -> None:
        """Do nothing; banks with a penalty apply it here, after each optimiser step, at the step's learning rate."""

    def clip_gradients(self, limit: float, *others: Tensor) -> Tensor:
        """Clip the gradient of each LoRA separately to norm `limit`; return the norms before clipping [l].

        `others` are further weights of the same LoRAs with first axis l, such as heads; they are included and scaled
        too.
        """
        weights = [*self.a, *self.b, *others]
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        squares = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients])  # [weights, l]
        norms = squares.sum(0).sqrt()  # [l]
        factors = (limit / (norms + 1e-12)).clamp(max=1)  # [l]
        for gradient in gradients:
            gradient.mul_(factors.view(-1, *[1] * (gradient.ndim - 1)))  # [l, 1, ..]
        return norms

    def entry_factors(self, index: int) -> dict[Slot, tuple[Tensor, Tensor]]:
        """Copy the factors of one LoRA: slot → (A [r, i], B [o, r])."""
        return {
            slot: (a.detach()[index].cpu().clone(), b.detach()[index].cpu().clone())
            for slot, a, b in zip(self.slots, self.a, self.b, strict=True)
        }

    def _block(self, index: int, width: int) -> Tensor:
        """Pad B with zero rows to the width of the fused layer: [l, width, r]."""
        slot = self.slots[index]
        return pad(self.b[index], (0, 0, slot.start, width - slot.stop))  # [l, o, r] → [l, width, r]


def merge(vit: nn.Module, bank: LoraBank) -> nn.Module:
    """Return a copy of the network with the bank's single LoRA merged into its weights: W + B·A."""
    if bank.count != 1:
        raise PoolError(f"Only one LoRA can be merged into a network, but the bank holds {bank.count}.")
    merged = copy.deepcopy(vit)
    with torch.no_grad():
        for slot, a, b in zip(bank.slots, bank.a, bank.b, strict=True):
            weight = merged.get_submodule(slot.module).weight
            assert isinstance(weight, Tensor)
            weight[slot.start : slot.stop] += b[0] @ a[0]  # [o, i]
    return merged
