"""The method: one generator for all LoRAs, one meta-learner that aligns their gradients."""

from __future__ import annotations

from dataclasses import dataclass

from freeshot import Choice, InversionBasedMethod


@dataclass(frozen=True)
class Free(InversionBasedMethod):
    """Invert LoRAs by a meta-generator and learn from them in sequence. Re-implementation.

    Built from the paper's equations for a pool of LoRAs on a frozen ViT, which the paper does not cover: the
    meta-learner trains one LoRA and classifies by nearest prototype; components can be exchanged with LoRA Recycle's.
    Omitted are the adversarial term, and second-order MAML as replay: a task across LoRAs is one plain step.
    """

    name = "free"
    citation = "Wei et al., FREE: Faster and Better Data-Free Meta-Learning, CVPR 2024"
    learner: Choice = Choice("meta-learner", "bell")
    inversion: Choice = Choice("inversion", "meta-generator")
    strategy: Choice = Choice("efficiency", "none")
    """Efficiency strategy that drops tokens."""
    per_class: int = 20
    """Surrogate images per class of each LoRA. code: 20."""
