"""A frozen network's bfloat16 copy, used instead of the full-precision one under autocast.

Autocast alone computes a transformer's norms and residual stream in float32 and casts around each product, which takes
a GPU longer than the products do. Trained and additive parts still run under plain autocast.
"""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

_BF16_COPIES: WeakKeyDictionary[nn.Module, tuple[tuple[int, ...], nn.Module]] = WeakKeyDictionary()
"""bfloat16 copies of networks, with the versions of the copied weights."""


def bf16_copy_under_autocast(vit: nn.Module) -> nn.Module:
    """Return the network to run: for a frozen one under bfloat16 autocast its bfloat16 copy, else `vit` itself."""
    kind = next(vit.parameters()).device.type
    if not torch.is_autocast_enabled(kind) or torch.get_autocast_dtype(kind) is not torch.bfloat16:
        return vit
    weights = tuple(vit.parameters())
    if weights[0].dtype is not torch.float32 or any(weight.requires_grad for weight in weights):
        return vit
    versions = tuple(weight._version for weight in weights)  # noqa: SLF001 - torch's counter of in-place changes
    cached = _BF16_COPIES.get(vit)
    if cached is None or cached[0] != versions:
        with torch.inference_mode(mode=False):  # gradients may have to flow through the copy later
            cached = _BF16_COPIES[vit] = (versions, copy.deepcopy(vit).bfloat16())
    return cached[1]


def autocast(kind: str, *, enabled: bool) -> AbstractContextManager[Any]:
    """Enable or disable bfloat16 autocast for a device type."""
    return torch.autocast(kind, torch.bfloat16, enabled=enabled)
