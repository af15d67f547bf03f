"""SoRA as a method: LoRA Recycle's surrogates with a meta-LoRA of learned rank."""

from __future__ import annotations

from dataclasses import dataclass

from freeshot import Choice, InversionBasedMethod


@dataclass(frozen=True)
class SoraMethod(InversionBasedMethod):
    """Learn one LoRA from surrogates and close its unneeded ranks. Re-implementation.

    The paper tunes on one task and has no pool: only its gates are used here, see `freeshot show sora` of kind
    meta-learner. The inversion is LoRA Recycle's. `freeshot pool build --gate` builds pools of such LoRAs.
    """

    name = "sora"
    citation = "Ding et al., Sparse Low-rank Adaptation of Pre-trained Language Models, EMNLP 2023"
    learner: Choice = Choice("meta-learner", "sora")
    inversion: Choice = Choice("inversion", "lora-inversion")
    strategy: Choice = Choice("efficiency", "cls-attention")
    rank: int = 8
    """Rank of the meta-LoRA before any gate closes. paper: 8."""
