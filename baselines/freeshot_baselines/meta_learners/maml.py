"""MAML: a LoRA from which a few gradient steps solve a task."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from freeshot import GradientMetaLearner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from freeshot import Model, Task


@dataclass(frozen=True)
class Maml(GradientMetaLearner):
    """Learn a LoRA from which a few gradient steps on the support set solve a task.

    Re-implementation: the LoRA and a linear head take steps on the support set, and the loss is that of the queries
    after them; the gradient flows back through the steps. With one image per class a zero head gives no information at
    first, so by default it is initialised as the nearest-prototype rule (Proto-MAML), which also matches the final use
    of the LoRA: the adapter is used without steps, with nearest class means.
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

        from freeshot_baselines.meta_learners.linear_head import descended, head_at, scores
        from freeshot_baselines.meta_learners.task_loss import answer_loss

        shown, asked, labels = task.support, task.query, task.support.labels

        def support(weights: Sequence[Tensor]) -> Tensor:
            *lora, weight, bias = weights
            return scores(model.embed_with(lora, shown.images, shown.kept), (weight, bias))  # [n, c]

        twice = self.order == "second"
        # fused attention has no second derivative
        with sdpa_kernel(SDPBackend.MATH) if twice else nullcontext():
            lora: Sequence[Tensor] = model.lora()
            head = head_at(self.head, model.embed_with(lora, shown.images, shown.kept), labels, task.way)
            arrived = descended(
                [*lora, *head], support, labels, steps=self.inner_steps, lr=self.inner_lr, second_order=twice
            )
            *lora, weight, bias = arrived
            return answer_loss(scores(model.embed_with(lora, asked.images, asked.kept), (weight, bias)), task)
