"""Learned composition: coefficients of frozen LoRAs, starting from the uniform mixture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from freeshot_baselines.composition.learned_mixture import Mixture

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Composition(Mixture):
    """Learn coefficients of the pool's LoRAs for each episode, starting from equal ones.

    Re-implementation of learned composition for episodes: the paper tunes a head together with the coefficients on each
    task; here the nearest class mean is the head, and the coefficients are tuned to separate support images by class
    means computed without them (with one shot: to match augmented copies to their images). With zero steps it equals
    `lora-average`. Rate and number of steps are ours.
    """

    name = "composition"
    citation = (
        "Asadi et al., Does Combining Parameter-efficient Modules Improve Few-shot Transfer Accuracy?, 2402.15414"
    )
    form: Literal["softmax", "free"] = "softmax"
    """'softmax': coefficients are positive and sum to one; 'free': unconstrained, 1/l at first."""

    def start(self, loras: int) -> float:
        """Return the initial parameter of uniform coefficients."""
        return 0.0 if self.form == "softmax" else 1 / loras

    def weights(self, parameters: Tensor) -> Tensor:
        """Return the coefficients of the LoRAs."""
        return parameters.softmax(1) if self.form == "softmax" else parameters
