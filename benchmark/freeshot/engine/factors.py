"""LoRAs as matrices: what is known of B·A from its factors A [r, i] and B [o, r], the product never being formed.

Axes: r rank, i and o inputs and outputs, m the smallest of the three, l LoRAs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import pad

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True, eq=False)
class ProductSvd:
    """The singular value decomposition of a product, in double precision; vectors are put together when asked for."""

    s: Tensor
    """[m], the largest first."""
    outer: tuple[Tensor, Tensor]
    """Orthonormal columns of B [o, m] and of Aᵀ [i, m]."""
    inner: tuple[Tensor, Tensor]
    """U [m, m] and Vᵀ [m, m] of what is between them."""

    @property
    def u(self) -> Tensor:
        """Left vectors, U [o, m]."""
        return self.outer[0] @ self.inner[0]

    @property
    def v(self) -> Tensor:
        """Right vectors, Vᵀ [m, i]."""
        return self.inner[1] @ self.outer[1].mT

    def nearest(self, rank: int) -> tuple[Tensor, Tensor]:
        """Return factors of equal length, A [rank, i] and B [o, rank], of the nearest product (Eckart and Young)."""
        root, (left, right), (u, v) = self.s[:rank].sqrt(), self.outer, self.inner
        return (root[:, None] * v[:rank]) @ right.mT, left @ (u[:, :rank] * root)


def product_svd(a: Tensor, b: Tensor) -> ProductSvd:
    """Take B·A of A [r, i] and B [o, r] apart, through the triangles of both factors."""
    left, upper = torch.linalg.qr(b.double())
    right, other = torch.linalg.qr(a.mT.double())
    u, s, v = torch.linalg.svd(upper @ other.mT, full_matrices=False)
    return ProductSvd(s, (left, right), (u, v))


def padded(a: Tensor, b: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Fill A [.., r, i] and B [.., o, r] up to a rank with zeros, which add nothing."""
    missing = rank - b.shape[-1]
    return pad(a, (0, 0, 0, missing)), pad(b, (0, missing))


def fresh_a(count: int, rank: int, width: int, like: Tensor, rng: Generator) -> Tensor:
    """Draw A [l, r, i] as LoRA starts: uniform in ±1/√i, of the type and on the device of another tensor."""
    uniform = torch.rand(count, rank, width, generator=rng, dtype=like.dtype) * 2 - 1
    a: Tensor = uniform / width**0.5
    return a.to(like.device)
