"""Token merging without training (ToMe): similar tokens are merged instead of dropped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import EfficiencyStrategy
from freeshot.basics.errors import OptionError

if TYPE_CHECKING:
    from torch import Tensor

    from freeshot import LayerView


@dataclass(frozen=True)
class TokenMerging(EfficiencyStrategy):
    """Merge the most similar pairs of patches in every layer, by bipartite matching of their keys."""

    name = "token-merge"
    citation = "Bolya et al., Token Merging: Your ViT But Faster, ICLR 2023"
    merge: int = 4
    """Pairs that are merged in each layer; at most half of the remaining patches. paper: 8 to 16 of 196."""

    def __post_init__(self) -> None:
        if self.merge < 0:
            raise OptionError(f"Option 'merge' of 'token-merge' must not be negative, but is {self.merge}.")

    def select(self, view: LayerView) -> Tensor | None:
        """Keep all patches except those merged into another: [b, k]."""
        import torch

        merged, _ = self._pairs(view)
        if merged.shape[1] == 0:
            return None
        stays = torch.ones_like(view.kept, dtype=torch.bool).scatter(1, merged, value=False)  # [b, s]
        return view.kept[stays].view(len(merged), -1)

    def merging(self, view: LayerView, kept: Tensor) -> Tensor | None:
        """Assign each merged patch to its partner: [b, 1 + k, t]."""
        import torch
        from torch.nn.functional import one_hot

        merged, into = self._pairs(view)
        patches = view.kept.shape[1]
        target = torch.arange(patches, device=kept.device).expand(len(kept), -1).scatter(1, merged, into)  # [b, s]
        row = torch.searchsorted(kept, target)  # index of each patch's token among the kept ones
        tokens = torch.cat([torch.zeros_like(row[:, :1]), row + 1], dim=1)  # [b, t]
        return one_hot(tokens, kept.shape[1] + 1).mT

    def _pairs(self, view: LayerView) -> tuple[Tensor, Tensor]:
        """Match even patches with odd ones: indices of the `merge` most similar pairs, [b, m] each."""
        from torch.nn.functional import normalize

        keys = normalize(view.keys.mean(1)[:, 1:], dim=-1)  # [b, s, d / heads]
        even, odd = keys[:, ::2], keys[:, 1::2]
        likeness, partner = (even @ odd.mT).max(-1) if odd.shape[1] else (even[..., 0] * 0, even[..., 0].long())
        count = min(self.merge, odd.shape[1])
        chosen = likeness.topk(count, dim=1).indices  # [b, m]
        return 2 * chosen, 2 * partner.gather(1, chosen) + 1
