"""Sparse model inversion: unimportant patches are frozen and no longer processed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import EfficiencyStrategy
from freeshot.basics.errors import OptionError
from freeshot_lora_recycle.pruning import lasting

if TYPE_CHECKING:
    from torch import Tensor

    from freeshot import LayerView


@dataclass(frozen=True)
class PatchStopping(EfficiencyStrategy):
    """Freeze the patches with the least attention from the last layer's class token, a few times early in inversion."""

    name = "patch-stop"
    citation = "Hu et al., Sparse Model Inversion, ICML 2024"
    at: tuple[float, ...] = (0.025, 0.05, 0.1, 0.15)
    """Points of progress at which patches are frozen. code: iterations 50, 100, 200 and 300 of 2000."""
    ratio: float = 0.3
    """Share of the remaining patches that is frozen each time, rounded down. code: 0.3."""

    def __post_init__(self) -> None:
        if not 0 <= self.ratio < 1:
            raise OptionError(f"Option 'ratio' of 'patch-stop' must lie in 0…1, 1 excluded, but is {self.ratio}.")
        if not all(0 < point <= 1 for point in self.at):
            raise OptionError(f"Option 'at' of 'patch-stop' must lie in 0…1, but is {self.at}.")

    def stops(self) -> tuple[float, ...]:
        """Return the points of progress."""
        return self.at

    def stop(self, view: LayerView) -> Tensor:
        """Keep the patches with the highest attention from the class token, averaged over heads: [b, k]."""
        score = view.attention.mean(1)[:, 0, 1:]  # [b, t - 1]
        return view.kept.gather(1, lasting(score, self.ratio))
