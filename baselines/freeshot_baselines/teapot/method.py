"""The method: diverse images, interpolated tasks, and LoRAs selected by their effect on held-out classes."""

from __future__ import annotations

from dataclasses import dataclass

from freeshot import Choice, InversionBasedMethod


@dataclass(frozen=True)
class Teapot(InversionBasedMethod):
    """Learn from surrogate tasks and from interpolated ones; learn which LoRAs of the pool to trust.

    Re-implementation for a pool of LoRAs on a frozen ViT, which the paper does not cover. Inversion and meta-learning
    are separate stages, so all LoRAs are inverted and the selection is part of meta-learning.
    """

    name = "teapot"
    citation = "Hu et al., Task-Distributionally Robust Data-Free Meta-Learning, TPAMI; 2311.14756"
    learner: Choice = Choice("meta-learner", "task-memory")
    inversion: Choice = Choice("inversion", "cmi")
    strategy: Choice = Choice("efficiency", "none")
    """Efficiency strategy that drops tokens."""
    per_class: int = 20
    """Surrogate images per class of each LoRA; ours."""
    held_out: float = 0.1
    """Share of the surrogate classes held out of training, on which the policy is rewarded."""
