"""A new efficiency strategy, which selects the image patches to process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import EfficiencyStrategy, LayerView, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Mine(EfficiencyStrategy):
    """Keep the patches with the most attention from all tokens, in the middle layer."""

    name = "mine"
    share: float = 0.5
    """Share of the patches to keep, 0…1."""

    def layers(self, depth: int) -> tuple[int, ...]:
        """Return one layer; full attention is computed only there."""
        return (depth // 2,)

    def select(self, view: LayerView) -> Tensor:
        """Return the patches to keep, a subset of `view.kept`: [b, k], the same k for all."""
        received = view.attention.mean(1).sum(1)[:, 1:]  # [b, t − 1]
        keep = max(1, round(self.share * received.shape[1]))
        positions = received.topk(keep, dim=1).indices.sort(dim=1).values  # [b, k]
        return view.kept.gather(1, positions)


@hookimpl
def freeshot_efficiency_strategies() -> list[type[EfficiencyStrategy]]:
    """Register it: `-o strategy=mine`."""
    return [Mine]
