"""FLOPs of forward and backward passes under two conventions, reported in separate columns.

*Linear*: three times the multiply-adds of the linear and convolutional layers in a forward pass, LoRAs counted factor
by factor, attention excluded: the convention behind the GFLOPs of LoRA Recycle's tables 4 and 5. *Executed*: the
floating-point operations of forward and backward as executed, two for each multiply-add, including attention,
recomputation and padding.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from freeshot.contracts.strategy import EfficiencyStrategy
from freeshot.engine.lora.bank import LoraBank
from freeshot.engine.metering.flop_counter import Operations
from freeshot.engine.vit.backbone import Backbone
from freeshot.engine.vit.forward import forward


@dataclass(frozen=True)
class Flops:
    """Cost of one forward and backward pass, per image."""

    linear: float
    """3 × multiply-adds of linear and convolutional layers."""
    executed: float
    """Operations as executed, two per multiply-add."""


def flops_of(
    backbone: Backbone,
    bank: LoraBank | None = None,
    kept: Tensor | None = None,
    strategy: EfficiencyStrategy | None = None,
) -> Flops:
    """Count the FLOPs per image with LoRAs, on kept patches [1, k] or under a strategy.

    With a bank of l LoRAs, l images are processed, one for each.
    """
    count = 1 if bank is None else bank.count
    side = backbone.image_size
    images = torch.zeros(count, 3, side, side, device=backbone.device, dtype=backbone.dtype, requires_grad=True)
    kept = None if kept is None else kept.expand(count, -1)
    with _LayerCounter(backbone.vit, bank) as layers, Operations() as executed:
        forward(backbone, images, bank, kept, strategy).features.sum().backward()  # type: ignore[no-untyped-call]
    return Flops(3 * layers.multiply_adds / count, executed.count / count)


class _LayerCounter:
    """Counts the multiply-adds of linear and convolutional layers during a forward pass."""

    def __init__(self, vit: nn.Module, bank: LoraBank | None) -> None:
        self._vit, self._bank = vit, bank
        self._stack = ExitStack()
        self.multiply_adds = 0

    def __enter__(self) -> Self:
        for name, module in self._vit.named_modules():
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                per_output = module.weight[0].numel()
                per_token = 0 if self._bank is None else _lora_weights(self._bank, name)
                handle = module.register_forward_hook(
                    lambda _, __, out, w=per_output, r=per_token: self._add(out.numel() * w + _tokens(out) * r)
                )
                self._stack.callback(handle.remove)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _add(self, multiply_adds: int) -> None:
        self.multiply_adds += multiply_adds


def _tokens(out: Tensor) -> int:
    return out.numel() // out.shape[-1]


def _lora_weights(bank: LoraBank, module: str) -> int:
    """Count the weights of one LoRA's factors at a layer: each is multiplied once per token."""
    indices = [index for index, slot in enumerate(bank.slots) if slot.module == module]
    return sum(bank.a[index][0].numel() + bank.b[index][0].numel() for index in indices)
