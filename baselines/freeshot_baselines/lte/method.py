"""LTE as a method: LoRA Recycle's surrogates with the meta-learner of parallel heads."""

from __future__ import annotations

from dataclasses import dataclass

from freeshot import Choice, InversionBasedMethod


@dataclass(frozen=True)
class LteMethod(InversionBasedMethod):
    """Learn from surrogates with parallel LoRA heads that are merged periodically. Re-implementation.

    The paper is about optimisation, not about pools: only its meta-learner is used here, see `freeshot show lte` of
    kind meta-learner. The inversion is LoRA Recycle's.
    """

    name = "lte"
    citation = "Huh et al., Training Neural Networks from Scratch with Parallel Low-Rank Adapters, 2024 (2402.16828)"
    learner: Choice = Choice("meta-learner", "lte")
    inversion: Choice = Choice("inversion", "lora-inversion")
    strategy: Choice = Choice("efficiency", "cls-attention")
