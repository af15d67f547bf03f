"""An efficiency strategy of your own: which patches the network looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import EfficiencyStrategy, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

    from freeshot import LayerView


@dataclass(frozen=True)
class Mine(EfficiencyStrategy):
    """Keep the patches that all others look at most, in the layer in the middle."""

    name = "mine"
    share: float = 0.5
    """Share of the patches that go on, 0…1."""

    def layers(self, depth: int) -> tuple[int, ...]:
        """Ask in one layer only; attention is computed in full there."""
        return (depth // 2,)

    def select(self, view: LayerView) -> Tensor:
        """Return the patches that go on, a part of `view.kept`: [b, k], k the same for all."""
        asked = view.attention.mean(1).sum(1)[:, 1:]  # [b, t − 1], what each patch gets from all tokens
        keep = max(1, round(self.share * asked.shape[1]))
        places = asked.topk(keep, dim=1).indices.sort(dim=1).values
        return view.kept.gather(1, places)


@hookimpl
def freeshot_efficiency_strategies() -> list[type[EfficiencyStrategy]]:
    """Offer it: `-o strategy=mine`."""
    return [Mine]
