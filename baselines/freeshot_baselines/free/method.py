"""The method: one generator for all LoRAs, one meta-learner that aligns them."""

from __future__ import annotations

from dataclasses import dataclass

from freeshot import Choice, SurrogateMethod


@dataclass(frozen=True)
class Free(SurrogateMethod):
    """Recover images from LoRAs by a meta-generator and learn from them in sequence. Re-implementation.

    Built from the paper's equations for a pool of LoRAs on a frozen ViT, which the paper does not treat: the
    meta-learner trains one LoRA and classifies by nearest prototype; parts can be exchanged with LoRA Recycle's.
    """

    name = "free"
    citation = "Wei et al., FREE: Faster and Better Data-Free Meta-Learning, CVPR 2024"
    learner: Choice = Choice("meta-learner", "bell")
    """Meta-learner that trains the shared LoRA."""
    inversion: Choice = Choice("inversion", "meta-generator")
    """How images are recovered from a LoRA."""
    strategy: Choice = Choice("efficiency", "none")
    """Which tokens are left out."""
    per_class: int = 20
    """Images recovered per class of each LoRA. code: 20."""

    def recovery(self) -> tuple[Choice, Choice]:
        """Name the inversion and the strategy that were chosen."""
        return self.inversion, self.strategy
