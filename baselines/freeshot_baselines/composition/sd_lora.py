"""SD-LoRA's idea on a pool: directions stay, magnitudes are learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from freeshot_baselines.composition.mixture import Mixture

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SdLora(Mixture):
    """Freeze the directions B·A/(‖B‖·‖A‖) of the pool's LoRAs and learn a magnitude for each on every support set.

    Re-implementation without the paper's setting, in which tasks come one after the other and each adds a
    direction of its own: the pool is there at once and no direction is added. Magnitudes are tuned so that
    support images are told apart by class means made without them. The paper's code loses earlier directions
    when it evaluates; here all count always.
    """

    name = "sd-lora"
    citation = "Wu et al., SD-LoRA: Scalable Decoupled Low-Rank Adaptation for Class Incremental Learning, ICLR 2025"
    unit: ClassVar[bool] = True
    per: Literal["lora", "layer"] = "layer"
    """One magnitude for each LoRA, or for each LoRA at each place where it acts. paper: per layer."""
    magnitude: float = 0.8
    """Where magnitudes start. paper: 0.8; 0 starts at the backbone."""

    def start(self, loras: int) -> float:
        """Start all alike."""
        return self.magnitude

    def weights(self, parameters: Tensor) -> Tensor:
        """Magnitudes are the parameters."""
        return parameters
