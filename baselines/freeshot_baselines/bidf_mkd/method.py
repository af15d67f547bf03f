"""The method: images by zeroth-order gradients, distillation on two levels, and no look into any LoRA."""

from __future__ import annotations

from dataclasses import dataclass

from freeshot import Choice, InvertingMethod, Needs


@dataclass(frozen=True)
class BidfMkd(InvertingMethod):
    """Learn from LoRAs that only answer: recover images by asking, then distil what they say on two levels.

    Re-implementation for a pool of LoRAs on a frozen ViT. The network itself is ours and white; of the
    LoRAs nothing comes but logits, and the record counts how many. Inversion and meta-learning are
    stages of their own, so the boundary queries, which the paper generates against the student under
    training, are chosen among recovered images.
    """

    name = "bidf-mkd"
    citation = "Hu et al., Learning to Learn from APIs: Black-Box Data-Free Meta-Learning, ICML 2023"
    needs = frozenset({Needs.QUERIES})
    learner: Choice = Choice("meta-learner", "two-level-distillation")
    inversion: Choice = Choice("inversion", "zeroth-order")
    """How images are recovered from a LoRA; one that waits for gradients is refused."""
    strategy: Choice = Choice("efficiency", "none")
    """Which tokens are left out; a service shows no attention, so all stay."""
    per_class: int = 60
    """Images recovered per class of each LoRA. code: 30 for support and 30 for query."""
