"""Base class of gradient-based meta-learners whose loss is that of nearest-prototype classification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import GradientMetaLearner, Model, Task

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class PrototypeLossLearner(GradientMetaLearner):
    """Learn from nearest-prototype classification, the head of all tuning-free methods at test."""

    def loss(self, model: Model, task: Task) -> Tensor:
        """Return the divergence of the query logits from the LoRA's, or their cross-entropy on tasks across LoRAs."""
        from freeshot_baselines.meta_learners.task_loss import prototype_loss

        return prototype_loss(model, task)

    def loss_with(
        self, model: Model, task: Task, weights: Sequence[Tensor] | None = None, queries: Tensor | None = None
    ) -> Tensor:
        """Return the loss with other weights or of some queries only."""
        from freeshot_baselines.meta_learners.task_loss import prototype_loss

        return prototype_loss(model, task, weights, queries)
