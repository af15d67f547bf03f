"""The interface of efficiency strategies: which patches a network looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from freeshot.contracts.component import Component

if TYPE_CHECKING:
    from torch import Tensor

    from freeshot.contracts.flow import LayerView


@dataclass(frozen=True)
class EfficiencyStrategy(Component):
    """Leave out tokens; doing nothing is legal, and what this base class does.

    The harness wraps the teacher with the strategy, so an inversion method need not know that it exists.
    """

    kind: ClassVar[str] = "efficiency"

    def layers(self, depth: int) -> tuple[int, ...]:
        """Name the 0-based layers in which `select` wants to be asked; attention is computed in full only there."""
        return tuple(range(depth)) if type(self).select is not EfficiencyStrategy.select else ()

    def patches(self, progress: float, images: Tensor) -> Tensor | None:
        """Choose patches at the input: indices [n, k], the same k for all, ascending; None keeps all."""
        return None

    def select(self, view: LayerView) -> Tensor | None:
        """Choose the patches that go on after a layer's attention: a part of `view.kept`, [b, k]; None keeps all."""
        return None

    def merging(self, view: LayerView, kept: Tensor) -> Tensor | None:
        """Say into which token each token goes, given the positions `kept` [b, k] that `select` chose among them.

        A matrix [b, 1 + k, t] of zeros and ones, class tokens first: row i names the tokens that token i
        becomes the average of, weighted by how many patches each stands for. None drops what is not kept.
        """
        return None

    def stops(self) -> tuple[float, ...]:
        """Name the points of progress, 0…1, at which `stop` is asked which patches go on being optimised."""
        return ()

    def stop(self, view: LayerView) -> Tensor:
        """Choose the patches that are looked at from now on: a part of `view.kept`, [b, k], by the last layer."""
        return view.kept

    def residual(self, tokens: Tensor, normed: Tensor) -> Tensor:
        """Return what the MLP's output is added to in layers that `select` is asked in: the tokens themselves.

        Only there for ablations: LoRA Recycle's released code adds to the normed tokens.
        """
        return tokens
