"""LoRA Recycle on top of the pool's average, to measure what recycling adds to averaging."""

from __future__ import annotations

from dataclasses import dataclass

from freeshot import Adapter, Choice, InversionBasedMethod, Workbench


@dataclass(frozen=True)
class RecycledAverage(InversionBasedMethod):
    """Train LoRA Recycle's meta-LoRA on top of the exact average of the pool, which stays frozen below it.

    The network that meets the surrogates has the mean of B·A added to its weights; the result is the sum of both LoRAs.
    """

    name = "recycled-average"
    citation = "FreeShot; of Hu et al., LoRA Recycle, CVPR 2025, and its row 'LoRAs Avg + NN'"
    learner: Choice = Choice("meta-learner", "prototype")
    inversion: Choice = Choice("inversion", "lora-inversion")
    strategy: Choice = Choice("strategy", "cls-attention")

    def base_adapter(self, bench: Workbench) -> Adapter:
        """Return the mean of B·A over the pool."""
        from freeshot.engine import mean_as_lora

        return mean_as_lora(bench.pool().entries)
