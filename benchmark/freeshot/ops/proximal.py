"""The proximal operator of the L1 norm."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def soft_threshold(values: Tensor, threshold: float) -> Tensor:
    """Return argmin over x of ½(x − v)² + t·|x|: shrink values [...] towards zero by t, and to zero within it.

    SoRA's released code masks twice and so zeroes everything below 2t.
    """
    return values.sign() * (values.abs() - threshold).clamp(min=0)
