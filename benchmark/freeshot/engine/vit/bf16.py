"""A frozen network's bfloat16 copy, with which a backbone of that precision computes, and which precision is faster.

Autocast alone computes a transformer's norms and residual stream in float32 and casts around each product, which takes
longer than the products do. Trained and additive parts still run under plain autocast.
"""

from __future__ import annotations

import copy
import time
from contextlib import AbstractContextManager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from freeshot.records.models import Precision

_BF16_COPIES: WeakKeyDictionary[nn.Module, tuple[tuple[int, ...], nn.Module]] = WeakKeyDictionary()
"""bfloat16 copies of networks, with the versions of the copied weights."""
WORTHWHILE = 1.2
"""Speed-up from which on bfloat16 is chosen."""


def bf16_copy(vit: nn.Module) -> nn.Module:
    """Return the bfloat16 copy of a frozen network, made again if its weights changed."""
    weights = tuple(vit.parameters())
    assert not any(weight.requires_grad for weight in weights), "a network that is trained keeps its precision"
    versions = tuple(weight._version for weight in weights)  # noqa: SLF001 - torch's counter of in-place changes
    cached = _BF16_COPIES.get(vit)
    if cached is None or cached[0] != versions:
        with torch.inference_mode(mode=False):  # gradients may have to flow through the copy later
            cached = _BF16_COPIES[vit] = (versions, _with_fast_attention(copy.deepcopy(vit).bfloat16()))
    return cached[1]


def _with_fast_attention(vit: nn.Module) -> nn.Module:
    """On a CPU, compute attention by two products: torch's fused kernel takes three times as long backward in bfloat16.

    Errors against single precision are the same; the weights of all blocks are kept for the backward pass.
    """
    if next(vit.parameters()).device.type == "cpu":
        attentions: list[Any] = [module for module in vit.modules() if hasattr(module, "fused_attn")]
        for attention in attentions:
            attention.fused_attn = False
    return vit


def autocast(kind: str, *, enabled: bool) -> AbstractContextManager[Any]:
    """Enable or disable bfloat16 autocast for a device type."""
    return torch.autocast(kind, torch.bfloat16, enabled=enabled)


def faster_precision(device: torch.device) -> tuple[Precision, float]:
    """Measure how many times faster a transformer's largest product is in bfloat16; return the precision to use."""
    seconds = {dtype: _seconds_of_product(device, dtype) for dtype in (torch.float32, torch.bfloat16)}
    speedup = seconds[torch.float32] / seconds[torch.bfloat16]
    return ("bf16" if speedup >= WORTHWHILE else "fp32"), speedup


def _seconds_of_product(device: torch.device, dtype: torch.dtype) -> float:
    """Time the first product of ViT-B's MLP on the tokens of eight images; the best of five."""
    tokens = torch.zeros(8 * 197, 768, device=device, dtype=dtype)
    weight = torch.zeros(3072, 768, device=device, dtype=dtype)
    best = float("inf")
    for _ in range(6):
        begun = time.perf_counter()
        product = nn.functional.linear(tokens, weight)  # [8 · 197, 3072]
        product[0, 0].item()  # waits for the device
        best = min(best, time.perf_counter() - begun)
    return best
