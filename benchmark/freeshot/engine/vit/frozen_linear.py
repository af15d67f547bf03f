"""Linear layers of a frozen network in float32 on AMD processors, where oneDNN's product is twice as fast as MKL's.

torch computes float32 products by Intel's MKL, which uses the vector units of other processors in part only. The
product of a frozen layer needs no gradient of its weights, so it can be computed by the operation that torch's compiler
uses for such layers. Results differ from MKL's by rounding.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

CPU_FACTS = Path("/proc/cpuinfo")


@cache
def worthwhile() -> bool:
    """Return whether this machine has an AMD processor and a torch with oneDNN."""
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    return CPU_FACTS.is_file() and "AuthenticAMD" in CPU_FACTS.read_text(encoding="utf-8")


def with_frozen_linear(vit: nn.Module) -> nn.Module:
    """Replace the linear layers of a network on a CPU, where worthwhile; weights are shared and names stay."""
    if worthwhile() and next(vit.parameters()).device.type == "cpu":
        for name, module in list(vit.named_modules()):
            if type(module) is nn.Linear:
                parent, _, child = name.rpartition(".")
                setattr(vit.get_submodule(parent), child, FrozenLinear(module))
    return vit


class FrozenLinear(nn.Linear):
    """A linear layer that computes by oneDNN as long as its weights need no gradient."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
        self.weight, self.bias = layer.weight, layer.bias
        self.train(layer.training)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map [..., i] to [..., o]."""
        plain = inputs.dtype is torch.float32 and self.weight.dtype is torch.float32 and inputs.device.type == "cpu"
        if not plain or self.weight.requires_grad or torch.is_autocast_enabled("cpu") or not inputs.numel():
            return super().forward(inputs)
        outputs: Tensor = _Product.apply(inputs, self.weight, self.bias)
        return outputs


class _Product(torch.autograd.Function):
    """inputs · weightᵀ + bias, differentiable any number of times in the inputs only."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Multiply [..., i] by [o, i]."""
        ctx.save_for_backward(weight)
        product: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "none", [], "")  # noqa: SLF001
        return product

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None]:
        """Multiply the gradient [..., o] by the weights."""
        (weight,) = ctx.saved_tensors
        return _Product.apply(slope.contiguous(), weight.mT, None), None, None
