"""Low-rank approximation of matrices."""

from __future__ import annotations

import torch
from torch import Tensor


def truncated(delta: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return factors A [r, i] and B [o, r] whose product B·A approximates a matrix [o, i] best (Eckart and Young).

    Rank 0 keeps all singular values.
    """
    u, s, v = torch.linalg.svd(delta.double(), full_matrices=False)
    kept = min(rank, len(s)) if rank else len(s)
    root = s[:kept].sqrt()
    return (root[:, None] * v[:kept]).to(delta), (u[:, :kept] * root).to(delta)
