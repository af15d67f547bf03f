"""The method: one generator for all LoRAs, one meta-learner that aligns them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import Choice, Method, Needs

if TYPE_CHECKING:
    from freeshot import Learner, Workbench


@dataclass(frozen=True)
class Free(Method):
    """Recover images from LoRAs by a meta-generator and learn from them in sequence. Re-implementation.

    Built from the paper's equations for a pool of LoRAs on a frozen ViT, which the paper does not treat: the
    meta-learner trains one LoRA and classifies by nearest prototype; parts can be exchanged with LoRA Recycle's.
    """

    name = "free"
    citation = "Wei et al., FREE: Faster and Better Data-Free Meta-Learning, CVPR 2024"
    needs = frozenset({Needs.POOL})
    inversion: Choice = Choice("inversion", "meta-generator")
    """How images are recovered from a LoRA."""
    strategy: Choice = Choice("efficiency", "none")
    """Which tokens are left out."""
    learner: Choice = Choice("meta-learner", "bell")
    """Meta-learner that trains the shared LoRA."""
    per_class: int = 20
    """Images recovered per class of each LoRA. code: 20."""
    lora_share: float = 0.5
    """Share of tasks from one LoRA; the rest replays classes mixed across LoRAs."""
    rank: int = 4
    """Rank of the shared LoRA."""
    targets: tuple[str, ...] = ("q", "v")
    """Layers it acts on, of q, k, v, proj, fc1 and fc2."""
    flip: bool = True
    """Flip images left to right at random."""

    def prepare(self, bench: Workbench) -> Learner:
        """Recover images from every LoRA, train the shared LoRA on them, and embed with it."""
        surrogates = bench.surrogates(self.inversion, self.strategy, self.per_class)
        tasks = bench.surrogate_tasks(surrogates, self.lora_share, flip=self.flip)
        return bench.adapted(bench.meta_learn(self.learner, tasks, self.rank, self.targets))
