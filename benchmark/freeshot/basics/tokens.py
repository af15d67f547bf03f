"""Token bookkeeping of a ViT with a class token: patch p is token p + 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def gather_patches(tokens: Tensor, kept: Tensor) -> Tensor:
    """Take the class token and the patches `kept` [n, k] out of tokens [n, t, d]: [n, 1 + k, d]."""
    index = torch.cat([torch.zeros_like(kept[:, :1]), kept + 1], dim=1)  # [n, 1 + k]
    return tokens.gather(1, index.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))


def mirror_patches(kept: Tensor, side: int) -> Tensor:
    """Return where the patches `kept` [n, k] of a side × side grid lie after a flip left to right, ascending."""
    return moved_patches(kept, side, 0, 0, mirrored=True).sort(dim=1).values


def moved_patches(kept: Tensor, side: int, down: int, right: int, *, mirrored: bool) -> Tensor:
    """Return where the patches `kept` [n, k] of a side × side grid lie after a roll by whole patches and a flip."""
    row, column = (kept // side + down) % side, (kept % side + right) % side
    return row * side + (side - 1 - column if mirrored else column)


def returned_patches(kept: Tensor, side: int, down: int, right: int, *, mirrored: bool) -> Tensor:
    """Undo `moved_patches`."""
    row, column = kept // side, kept % side
    column = side - 1 - column if mirrored else column
    return (row - down) % side * side + (column - right) % side
