"""SD-LoRA's idea on a pool: fixed directions, learned magnitudes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from freeshot_baselines.composition.learned_mixture import Mixture

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SdLora(Mixture):
    """Freeze the directions B·A/(‖B‖·‖A‖) of the pool's LoRAs and learn their magnitudes on every support set.

    Re-implementation without the paper's setting, in which tasks arrive in sequence and each adds a direction: here the
    whole pool is available and no direction is added. Magnitudes are tuned to separate support images by class means
    computed without them. The paper's code loses earlier directions in evaluation; here all are used.
    """

    name = "sd-lora"
    citation = "Wu et al., SD-LoRA: Scalable Decoupled Low-Rank Adaptation for Class Incremental Learning, ICLR 2025"
    unit: ClassVar[bool] = True
    per: Literal["lora", "layer"] = "layer"
    """One magnitude for each LoRA, or for each LoRA and slot. paper: per layer."""
    magnitude: float = 0.8
    """Initial magnitude. paper: 0.8; 0 starts at the backbone."""

    def start(self, loras: int) -> float:
        """Return the initial magnitude."""
        return self.magnitude

    def weights(self, parameters: Tensor) -> Tensor:
        """Return the parameters, which are the magnitudes."""
        return parameters
