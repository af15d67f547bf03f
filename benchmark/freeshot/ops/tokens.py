"""Token indices of a ViT with a class token: patch p is token p + 1."""

from __future__ import annotations

import torch
from torch import Tensor


def gather_patches(tokens: Tensor, kept: Tensor) -> Tensor:
    """Select the class token and the patches `kept` [n, k] of tokens [n, t, d]: [n, 1 + k, d]."""
    index = torch.cat([torch.zeros_like(kept[:, :1]), kept + 1], dim=1)  # [n, 1 + k]
    return tokens.gather(1, index.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))  # [n, 1 + k, d]


def mirror_patches(kept: Tensor, side: int) -> Tensor:
    """Return the indices [n, k], ascending, of the patches `kept` of a side × side grid after a horizontal flip."""
    return (kept // side * side + (side - 1 - kept % side)).sort(dim=1).values
