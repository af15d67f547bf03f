"""The interface of efficiency strategies, which select the image patches to process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from freeshot.contracts.component import Component
from freeshot.contracts.tensors import LayerView

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class EfficiencyStrategy(Component):
    """Drop tokens during inversion; this base class drops none, which is a valid strategy.

    The harness applies the strategy inside the teacher, so an inversion method needs no code for it.
    """

    kind: ClassVar[str] = "strategy"

    def layers(self, depth: int) -> tuple[int, ...]:
        """Return the 0-based layers at which `select` is called; full attention maps are computed only there."""
        return tuple(range(depth)) if type(self).select is not EfficiencyStrategy.select else ()

    def patches(self, progress: float, images: Tensor) -> Tensor | None:
        """Choose input patches: indices [n, k], ascending, the same k for all images; None keeps all."""
        return None

    def select(self, view: LayerView) -> Tensor | None:
        """Choose the patches that continue after a layer's attention: subset of `view.kept`, [b, k]; None keeps all."""
        return None

    def merging(self, view: LayerView, kept: Tensor) -> Tensor | None:
        """Return the token-merging matrix, given the indices `kept` [b, k] that `select` chose.

        A matrix [b, 1 + k, t] of zeros and ones, class tokens first: row i marks the tokens whose average becomes token
        i, weighted by the number of patches each represents. None drops all tokens that are not kept.
        """
        return None

    def residual(self, tokens: Tensor, normed: Tensor) -> Tensor:
        """Return the tensor to which the MLP output is added in the layers of `select`; by default the tokens.

        Exists for ablations: some released code adds to the normed tokens.
        """
        return tokens
