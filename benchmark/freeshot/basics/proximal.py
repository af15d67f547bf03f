"""The step that an L1 penalty takes by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def soft_threshold(values: Tensor, threshold: float) -> Tensor:
    """Return argmin over x of ½(x − v)² + t·|x|: towards zero by t, and zero within it.

    SoRA's released code masks twice and so closes everything below 2t.
    """
    return values.sign() * (values.abs() - threshold).clamp(min=0)
