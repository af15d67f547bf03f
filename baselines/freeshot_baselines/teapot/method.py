"""The method: images that differ, tasks between tasks, and LoRAs chosen by what they are good for."""

from __future__ import annotations

from dataclasses import dataclass

from freeshot import Choice, InvertingMethod


@dataclass(frozen=True)
class Teapot(InvertingMethod):
    """Learn from recovered tasks and from tasks between them; find out which LoRAs of the pool to trust.

    Re-implementation for a pool of LoRAs on a frozen ViT, which the paper does not treat. Inversion and
    meta-learning are stages of their own, so that all LoRAs are inverted and the choice among them is
    made in meta-learning.
    """

    name = "teapot"
    citation = "Hu et al., Task-Distributionally Robust Data-Free Meta-Learning, TPAMI; 2311.14756"
    learner: Choice = Choice("meta-learner", "task-memory")
    inversion: Choice = Choice("inversion", "cmi")
    strategy: Choice = Choice("efficiency", "none")
    """Which tokens are left out."""
    per_class: int = 20
    """Images recovered per class of each LoRA; ours."""
    held_out: float = 0.1
    """Share of the recovered classes that training does not see; on them it is judged which LoRAs help."""
