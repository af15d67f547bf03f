"""Linear algebra of LoRA products B·A in factored form, A [r, i] and B [o, r], without forming the product.

Axes: r rank, i and o inputs and outputs, m the smallest of the three, l LoRAs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn.functional import pad


@dataclass(frozen=True, eq=False)
class ProductSvd:
    """The singular value decomposition of B·A in double precision; singular vectors are computed on access."""

    s: Tensor
    """[m], descending."""
    outer: tuple[Tensor, Tensor]
    """Orthonormal columns of B [o, m] and of Aᵀ [i, m]."""
    inner: tuple[Tensor, Tensor]
    """U [m, m] and Vᵀ [m, m] of the inner matrix."""

    @property
    def u(self) -> Tensor:
        """Left singular vectors, U [o, m]."""
        return self.outer[0] @ self.inner[0]

    @property
    def v(self) -> Tensor:
        """Right singular vectors, Vᵀ [m, i]."""
        return self.inner[1] @ self.outer[1].mT

    def nearest(self, rank: int) -> tuple[Tensor, Tensor]:
        """Return balanced factors, A [rank, i] and B [o, rank], of the best approximation (Eckart and Young)."""
        root, (left, right), (u, v) = self.s[:rank].sqrt(), self.outer, self.inner
        return (root[:, None] * v[:rank]) @ right.mT, left @ (u[:, :rank] * root)  # [rank, i], [o, rank]


def product_svd(a: Tensor, b: Tensor) -> ProductSvd:
    """Decompose B·A of A [r, i] and B [o, r] by QR decompositions of both factors."""
    left, upper = torch.linalg.qr(b.double())  # [o, m], [m, r]
    right, lower = torch.linalg.qr(a.mT.double())  # [i, m], [m, r]
    u, s, v = torch.linalg.svd(upper @ lower.mT, full_matrices=False)  # [m, m], [m], [m, m]
    return ProductSvd(s, (left, right), (u, v))


def padded(a: Tensor, b: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Pad A [.., r, i] and B [.., o, r] to a rank with zeros; the product stays the same."""
    missing = rank - b.shape[-1]
    return pad(a, (0, 0, 0, missing)), pad(b, (0, missing))  # [.., rank, i], [.., o, rank]


def fresh_a(count: int, rank: int, width: int, like: Tensor, rng: Generator) -> Tensor:
    """Draw the initial A [l, r, i] of LoRA: uniform in ±1/√i, with the dtype and device of `like`."""
    uniform = torch.rand(count, rank, width, generator=rng, dtype=like.dtype) * 2 - 1
    a: Tensor = uniform / width**0.5
    return a.to(like.device)
