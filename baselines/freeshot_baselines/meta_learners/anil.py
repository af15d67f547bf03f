"""ANIL: MAML whose inner steps update the head only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from freeshot import GradientMetaLearner

if TYPE_CHECKING:
    from torch import Tensor

    from freeshot import Model, Task


@dataclass(frozen=True)
class Anil(GradientMetaLearner):
    """Learn a LoRA on whose features a few gradient steps of a linear head solve a task; the LoRA itself stays fixed.

    Re-implementation: features are computed once per task, and the gradient flows back through the head's steps, which
    is cheap. In the end the adapter is used with nearest class means, without a head.
    """

    name = "anil"
    citation = "Raghu et al., Rapid Learning or Feature Reuse?, ICLR 2020"
    inner_steps: int = 5
    """Gradient steps of the head on the support set. paper: 5 on miniImageNet in training."""
    inner_lr: float = 0.01
    """Their learning rate. paper: 0.01."""
    head: Literal["prototype", "zero"] = "zero"
    """Initialisation of the head in each task: zero, or the nearest-prototype rule. The paper's is learned with the
    features, which needs fixed class numbers across tasks."""

    def loss(self, model: Model, task: Task) -> Tensor:
        """Return the loss on the queries after the head's inner steps."""
        from freeshot.engine.embed_task import embed_task
        from freeshot_baselines.meta_learners.linear_head import descended, head_at, scores
        from freeshot_baselines.meta_learners.task_loss import answer_loss

        support, query = embed_task(model, task)  # [n, d], [q, d]
        labels = task.support.labels
        head = descended(
            head_at(self.head, support, labels, task.way),
            lambda weights: scores(support, weights),  # [n, c]
            labels,
            steps=self.inner_steps,
            lr=self.inner_lr,
            second_order=True,
        )
        return answer_loss(scores(query, head), task)
