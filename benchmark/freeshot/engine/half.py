"""A frozen network in bfloat16, which takes the place of the one in full precision inside of autocast.

Autocast alone computes norms and the residual stream of a transformer in float32 and casts to and fro around each
product, which takes a graphics card longer than the products do. What learns or adds stays as autocast has it.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import Any

    from torch import nn

_COPIES: WeakKeyDictionary[nn.Module, tuple[tuple[int, ...], nn.Module]] = WeakKeyDictionary()
"""Networks in bfloat16, with the versions of the weights that they are copies of."""


def network_in_use(vit: nn.Module) -> nn.Module:
    """Return the network that a look runs: inside of autocast to bfloat16 the copy of a frozen one, else itself."""
    kind = next(vit.parameters()).device.type
    if not torch.is_autocast_enabled(kind) or torch.get_autocast_dtype(kind) is not torch.bfloat16:
        return vit
    weights = tuple(vit.parameters())
    if weights[0].dtype is not torch.float32 or any(weight.requires_grad for weight in weights):
        return vit
    versions = tuple(weight._version for weight in weights)  # noqa: SLF001 - what torch tells changed weights by
    known = _COPIES.get(vit)
    if known is None or known[0] != versions:
        with torch.inference_mode(mode=False):  # gradients may have to flow through it later
            known = _COPIES[vit] = (versions, copy.deepcopy(vit).bfloat16())
    return known[1]


def autocast(kind: str, *, enabled: bool) -> AbstractContextManager[Any]:
    """Switch autocast to bfloat16 on or off on a sort of device."""
    return torch.autocast(kind, torch.bfloat16, enabled=enabled)
