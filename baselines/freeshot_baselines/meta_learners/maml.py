"""MAML, a LoRA from which a few gradient steps solve a task, and ANIL, whose steps update the head only."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from freeshot import GradientMetaLearner, Model, Task

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Maml(GradientMetaLearner):
    """Learn a LoRA from which a few gradient steps on the support set solve a task.

    Re-implementation: the LoRA and a linear head take steps on the support set, θ′ = θ − α·∇L_support(θ), and the loss
    is that of the queries after them, L_query(θ′); the gradient flows back through the steps. With one image per class
    a zero head gives no information at first, so by default it is initialised as the nearest-prototype rule
    (Proto-MAML), which also matches the final use of the LoRA: the adapter is used without steps, with nearest class
    means.
    """

    name = "maml"
    citation = "Finn et al., Model-Agnostic Meta-Learning, ICML 2017; Triantafillou et al., Meta-Dataset, ICLR 2020"
    inner_steps: int = 5
    """Gradient steps on the support set. paper: 5 on miniImageNet in training."""
    inner_lr: float = 0.01
    """Their learning rate. paper: 0.01."""
    order: Literal["first", "second"] = "second"
    """Differentiate through the inner gradients, as the paper does, or treat them as constants (FOMAML)."""
    head: Literal["prototype", "zero"] = "prototype"
    """Initialisation of the linear head in each task: the nearest-prototype rule, or zero."""

    def loss(self, model: Model, task: Task) -> Tensor:
        """Return the loss on the queries after the inner steps."""
        from torch.nn.attention import SDPBackend, sdpa_kernel

        from freeshot_baselines.meta_learners.linear_head import gradient_steps, initial_task_head, scores
        from freeshot_baselines.meta_learners.task_loss import answer_loss

        shown, query, labels = task.support, task.query, task.support.labels

        def support(weights: Sequence[Tensor]) -> Tensor:
            *lora, weight, bias = weights
            return scores(model.embed_with(lora, shown.images, shown.kept), (weight, bias))  # [n, c]

        twice = self.order == "second"
        # fused attention has no second derivative
        with sdpa_kernel(SDPBackend.MATH) if twice else nullcontext():
            lora: Sequence[Tensor] = model.lora()
            head = initial_task_head(self.head, model.embed_with(lora, shown.images, shown.kept), labels, task.way)
            *lora, weight, bias = gradient_steps(
                [*lora, *head], support, labels, steps=self.inner_steps, lr=self.inner_lr, second_order=twice
            )
            return answer_loss(scores(model.embed_with(lora, query.images, query.kept), (weight, bias)), task)


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
        from freeshot_baselines.meta_learners.linear_head import gradient_steps, initial_task_head, scores
        from freeshot_baselines.meta_learners.task_loss import answer_loss

        support, query = embed_task(model, task)  # [n, d], [q, d]
        labels = task.support.labels
        head = gradient_steps(
            initial_task_head(self.head, support, labels, task.way),
            lambda weights: scores(support, weights),  # [n, c]
            labels,
            steps=self.inner_steps,
            lr=self.inner_lr,
            second_order=True,
        )
        return answer_loss(scores(query, head), task)  # of logits [q, c]
