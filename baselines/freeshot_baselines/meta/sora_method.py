"""SoRA as a row: LoRA Recycle's surrogates, under a shared LoRA that chooses its rank."""

from __future__ import annotations

from dataclasses import dataclass

from freeshot import Choice, InvertingMethod


@dataclass(frozen=True)
class SoraMethod(InvertingMethod):
    """Learn from recovered images one LoRA whose unneeded ranks close. Re-implementation.

    The paper tunes on one task and knows no pool: only its gates stand here, see `freeshot show sora` of kind
    meta-learner. How images are recovered is LoRA Recycle's. `freeshot pool build --gate` makes pools of such LoRAs.
    """

    name = "sora"
    citation = "Ding et al., Sparse Low-rank Adaptation of Pre-trained Language Models, EMNLP 2023"
    learner: Choice = Choice("meta-learner", "sora")
    inversion: Choice = Choice("inversion", "lora-inversion")
    strategy: Choice = Choice("efficiency", "cls-attention")
    rank: int = 8
    """Rank of the shared LoRA before any gate closes. paper: 8."""
