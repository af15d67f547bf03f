"""BiDf-MKD: learn from black-box LoRAs by their logits only; a step on some queries must reduce the loss on others.

Axes: n support images, q query images, c classes, d features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import Choice, GradientMetaLearner, InversionBasedMethod, Model, Needs, Task
from freeshot.basics.errors import DivergedError, OptionError

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class TwoLevelDistillation(GradientMetaLearner):
    """Distil on half of the queries for a few steps, then on boundary queries of the other half; use that gradient.

    The outer gradient is computed at the end of the inner steps and applied at their start (first-order MAML); the
    student classifies by nearest prototype. On tasks across LoRAs labels replace the LoRA's logits. The divergence of
    the released code lacks a logarithm; here it is the Kullback-Leibler divergence.
    """

    name = "two-level-distillation"
    citation = "Hu et al., Learning to Learn from APIs: Black-Box Data-Free Meta-Learning, ICML 2023"
    inner_steps: int = 10
    """Steps of plain gradient descent in the inner loop. code: 10."""
    inner_lr: float = 0.01
    """Their learning rate. code: 0.01."""
    boundary: float = 0.5
    """Largest share of the outer queries to learn from: those with equal prediction and largest difference of student
    and LoRA; ours."""

    def __post_init__(self) -> None:
        if not 0 < self.boundary <= 1:
            raise OptionError(
                f"Option 'boundary' of '{self.name}' must lie in 0…1, 0 excluded, but is {self.boundary}."
            )

    def compute_gradients(self, model: Model, task: Task, rng: Generator) -> Tensor:
        """Write the outer gradient, and return the loss on the outer queries at the end of the inner steps."""
        import torch

        loss, slopes = self.outer(model, task)
        if not all(torch.isfinite(slope).all() for slope in slopes):
            raise DivergedError(f"The gradient of '{self.name}' is not finite. Lower its rates.")
        for weight, slope in zip(model.lora(), slopes, strict=True):
            weight.grad = slope
        return loss

    def outer(self, model: Model, task: Task) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the outer loss and its gradient at the end of the inner steps; the model is restored."""
        import torch

        def distance(queries: Tensor, boundary: float = 1.0) -> Tensor:
            return self.distance(model, task, queries, boundary)

        weights = list(model.lora())
        start = [weight.detach().clone() for weight in weights]
        inner, outer = halves(task)
        for _ in range(self.inner_steps):
            slopes = torch.autograd.grad(distance(inner), weights)
            with torch.no_grad():
                for weight, slope in zip(weights, slopes, strict=True):
                    weight.sub_(self.inner_lr * slope)
        loss = distance(outer, self.boundary)
        slopes = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for weight, origin in zip(weights, start, strict=True):
                weight.copy_(origin)
        return loss.detach(), slopes

    def loss(self, model: Model, task: Task) -> Tensor:
        """Return the distance on all queries."""
        import torch

        return self.distance(model, task, torch.arange(len(task.query)))

    def distance(self, model: Model, task: Task, queries: Tensor, boundary: float = 1.0) -> Tensor:
        """Return KL(LoRA ‖ student) on some queries, or cross-entropy on tasks across LoRAs."""
        from freeshot.engine.embed_task import embed_task
        from freeshot.ops.prototypes import prototype_logits
        from freeshot_baselines.meta_learners.task_loss import answer_loss

        support, query = embed_task(model, task)  # [n, d], [q, d]
        logits = prototype_logits(query[queries], support, task.support.labels, task.way, "euclidean")  # [queries, c]
        if task.teacher_logits is not None and boundary < 1:
            near = boundary_queries(task.teacher_logits[queries], logits.detach(), boundary)
            queries, logits = queries[near], logits[near]
        return answer_loss(logits, task, queries)


def halves(task: Task) -> tuple[Tensor, Tensor]:
    """Split the queries in two, alternating within each class; a class with one query is in both."""
    import torch

    first, second = [], []
    for label in range(task.way):
        members = (task.query.labels == label).nonzero().flatten()
        first.append(members[::2])
        second.append(members[1::2] if len(members) > 1 else members)
    return torch.cat(first), torch.cat(second)


def boundary_queries(teacher_logits: Tensor, student_logits: Tensor, share: float) -> Tensor:
    """Return the indices of the share of queries with the largest ‖p − p'‖₁ where both logits [q, c] predict one class.

    If they agree on fewer queries, those; if on none, all queries.
    """
    import torch

    distance = (teacher_logits.softmax(1) - student_logits.softmax(1)).abs().sum(1)  # [q]
    agree = teacher_logits.argmax(1) == student_logits.argmax(1)  # [q]
    if not agree.any():
        return torch.arange(len(agree), device=agree.device)
    score = distance.masked_fill(~agree, -1)
    return score.topk(min(math.ceil(share * len(score)), int(agree.sum()))).indices


@dataclass(frozen=True)
class BidfMkd(InversionBasedMethod):
    """Learn from black-box LoRAs: invert them by queries, then distil their logits on two levels.

    Re-implementation for a pool of LoRAs on a frozen ViT. The backbone is available; of the LoRAs only logits are used,
    and the record counts the queries. Inversion and meta-learning are separate stages, so the boundary queries, which
    the paper generates against the current student, are selected among surrogates.
    """

    name = "bidf-mkd"
    citation = TwoLevelDistillation.citation
    paper_url = "https://arxiv.org/abs/2305.18413"
    code_url = "https://github.com/Egg-Hu/BiDf-MKD"
    needs = frozenset({Needs.QUERIES})
    learner: Choice = Choice("meta-learner", "two-level-distillation")
    inversion: Choice = Choice("inversion", "zeroth-order")
    """Inversion that synthesises images from a LoRA; one that needs gradients is refused."""
    strategy: Choice = Choice("strategy", "none")
    """Efficiency strategy; a service returns no attention, so all tokens are kept."""
    per_class: int = 60
    """Surrogate images per class of each LoRA. code: 30 for support and 30 for query."""
