"""The method: zeroth-order inversion and two-level distillation from black-box LoRAs."""

from __future__ import annotations

from dataclasses import dataclass

from freeshot import Choice, InversionBasedMethod, Needs


@dataclass(frozen=True)
class BidfMkd(InversionBasedMethod):
    """Learn from black-box LoRAs: invert them by queries, then distil their logits on two levels.

    Re-implementation for a pool of LoRAs on a frozen ViT. The backbone is available; of the LoRAs only logits are used,
    and the record counts the queries. Inversion and meta-learning are separate stages, so the boundary queries, which
    the paper generates against the current student, are selected among surrogates.
    """

    name = "bidf-mkd"
    citation = "Hu et al., Learning to Learn from APIs: Black-Box Data-Free Meta-Learning, ICML 2023"
    needs = frozenset({Needs.QUERIES})
    learner: Choice = Choice("meta-learner", "two-level-distillation")
    inversion: Choice = Choice("inversion", "zeroth-order")
    """Inversion that synthesises images from a LoRA; one that needs gradients is refused."""
    strategy: Choice = Choice("efficiency", "none")
    """Efficiency strategy; a service returns no attention, so all tokens are kept."""
    per_class: int = 60
    """Surrogate images per class of each LoRA. code: 30 for support and 30 for query."""
