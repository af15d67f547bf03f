"""The ceiling: the same meta-learner and LoRA, on the real images that the pool was tuned on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import Choice, Method, Needs

if TYPE_CHECKING:
    from freeshot import Learner, Workbench


@dataclass(frozen=True)
class RealData(Method):
    """Meta-train on the real base images: an upper bound for inversion. Not data-free."""

    name = "real-data"
    needs = frozenset({Needs.BASE_IMAGES})
    role = "ceiling"
    learner: Choice = Choice("meta-learner", "prototype")
    """Meta-learner that trains the meta-LoRA."""
    rank: int = 4
    """Rank of the meta-LoRA."""
    targets: tuple[str, ...] = ("q", "v")
    """Layers that the LoRA modifies, of q, k, v, proj, fc1 and fc2. paper: q and v."""
    flip: bool = True
    """Flip images left to right at random."""

    def prepare(self, bench: Workbench) -> Learner:
        """Train one meta-LoRA on tasks of real base classes."""
        return bench.adapted(bench.meta_learn(self.learner, bench.base_tasks(flip=self.flip), self.rank, self.targets))
