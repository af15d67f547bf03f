"""Token pruning by class attention during inversion; the final selection is the mask of meta-training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import EfficiencyStrategy
from freeshot.basics.errors import OptionError

if TYPE_CHECKING:
    from torch import Tensor

    from freeshot import LayerView


@dataclass(frozen=True)
class AllTokens(EfficiencyStrategy):
    """Keep all tokens."""

    name = "none"


@dataclass(frozen=True)
class ClsAttention(EfficiencyStrategy):
    """Drop the patches with the least attention from the class token, in given layers after the attention (Eq. 5)."""

    name = "cls-attention"
    citation = "Hu et al., LoRA Recycle, CVPR 2025"
    at: tuple[int, ...] = (-1,)
    """Layers in which patches are dropped, 0-based; −1 is the last, where dropping saves little but gives the mask."""
    ratio: float = 0.75
    """Share of the remaining patches that each of these layers drops, rounded down."""
    start: float = 0.0
    """Progress of the inversion from which patches are dropped. code: 0.25; the paper is silent."""
    ratios: tuple[float, ...] = ()
    """One share per layer of `at`, in its order, instead of a single one."""
    paper_code_residual: bool = False
    """Add the MLP's output to the normed tokens in these layers, as the released code does by mistake."""

    def __post_init__(self) -> None:
        for option, share in (("ratio", self.ratio), *(("ratios", share) for share in self.ratios)):
            if not 0 <= share < 1:
                raise OptionError(f"Option '{option}' of '{self.name}' must lie in 0…1, 1 excluded, but is {share}.")
        if self.ratios and len(self.ratios) != len(self.at):
            raise OptionError(
                f"Option 'ratios' of '{self.name}' must name a share for each of the {len(self.at)} layers of 'at', "
                f"but names {len(self.ratios)}."
            )

    def layers(self, depth: int) -> tuple[int, ...]:
        """Return the layers at which `select` is called."""
        wrong = [layer for layer in self.at if not -depth <= layer < depth]
        if wrong:
            raise OptionError(f"Option 'at' of 'cls-attention' names layer {wrong[0]}, but the backbone has {depth}.")
        return tuple(sorted(layer % depth for layer in self.at))

    def select(self, view: LayerView) -> Tensor | None:
        """Keep the patches with the highest attention of the class token, averaged over heads: [b, k]."""
        if view.progress < self.start:
            return None
        return self._keep_highest(view.attention.mean(1)[:, 0, 1:], view)  # of scores [b, t - 1]

    def _keep_highest(self, scores: Tensor, view: LayerView) -> Tensor:
        """Keep the patches with the highest scores [b, s], without the share that this layer drops: [b, k]."""
        ratio = self.ratio
        if self.ratios:
            ratio = self.ratios[[layer % view.layers for layer in self.at].index(view.layer)]
        return view.kept.gather(1, highest(scores, ratio))

    def residual(self, tokens: Tensor, normed: Tensor) -> Tensor:
        """Return the tokens, or the normed ones as in the released code."""
        return normed if self.paper_code_residual else tokens


@dataclass(frozen=True)
class RandomPatches(ClsAttention):
    """Drop random patches, as many as class attention would: the control for pruning."""

    name = "random-patches"
    citation = ""
    draw: int = 0
    """Selects the random numbers; the patches of an image stay the same during its inversion."""

    def select(self, view: LayerView) -> Tensor | None:
        """Keep as many patches as `cls-attention` would, at random: [b, k]."""
        import torch

        if view.progress < self.start:
            return None
        rng = torch.Generator().manual_seed(1000 * self.draw + view.layer)
        return self._keep_highest(torch.rand(view.kept.shape, generator=rng).to(view.kept.device), view)


def highest(scores: Tensor, ratio: float) -> Tensor:
    """Return the indices of the s − ⌊s · ratio⌋ highest of s scores [b, s], ascending: [b, k]."""
    keep = scores.shape[1] - int(scores.shape[1] * ratio)
    return scores.topk(keep, dim=1).indices.sort(dim=1).values
