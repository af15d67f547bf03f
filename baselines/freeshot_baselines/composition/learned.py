"""Learned composition: coefficients of frozen LoRAs, from the uniform mixture on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from freeshot_baselines.composition.mixture import Mixture

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Composition(Mixture):
    """Learn how much of each of the pool's LoRAs an episode wants, starting from all alike.

    Re-implementation of learned composition for episodes: the paper tunes a head beside the coefficients on
    each task; here the nearest class mean is the head, and the coefficients are tuned so that support images
    are told apart by class means made without them (with one shot: their augmented copies by themselves).
    Without a step it is `lora-average`. Rate and number of steps are ours.
    """

    name = "composition"
    citation = (
        "Asadi et al., Does Combining Parameter-efficient Modules Improve Few-shot Transfer Accuracy?, 2402.15414"
    )
    form: Literal["softmax", "free"] = "softmax"
    """'softmax': coefficients are positive and sum to one; 'free': they are any numbers, 1/l at first."""

    def start(self, loras: int) -> float:
        """Start uniformly."""
        return 0.0 if self.form == "softmax" else 1 / loras

    def weights(self, parameters: Tensor) -> Tensor:
        """Return coefficients over the LoRAs."""
        return parameters.softmax(1) if self.form == "softmax" else parameters
