"""Reptile: move part of the way to the result of a few steps on each task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import Model, Task
from freeshot.basics.validators import require_positive
from freeshot_baselines.meta_learners.prototype_learner import PrototypeLossLearner

if TYPE_CHECKING:
    from torch import Generator, Tensor
    from torch.nn import Parameter
    from torch.optim import Optimizer


@dataclass(frozen=True)
class Reptile(PrototypeLossLearner):
    """Move the meta-LoRA a share of the way to the result of a few steps on each task.

    Re-implementation for one LoRA on a frozen ViT, with the nearest class mean as head: θ ← θ + ε(θ′ − θ). Each inner
    step uses the whole support set and its own part of the queries, because Reptile relies on differing mini-batches. A
    step of plain gradient descent on θ − θ′ at rate ε is that interpolation, so ε has the schedule of a rate.
    """

    name = "reptile"
    citation = "Nichol et al., On First-Order Meta-Learning Algorithms, 2018"
    lr: float = 1.0
    """Peak value of ε, the share of the way. paper: 1, falling to 0 along the run."""
    lr_floor: float = 0.0
    """ε between cycles."""
    cycle: int = 0
    """Steps per cycle of the schedule; 0: one cycle for the entire run, as in the paper."""
    warmup: int = 0
    """Steps of linear warm-up at the start of each cycle."""
    inner_steps: int = 5
    """Steps on each task. paper: 8 on miniImageNet; 5 here, because surrogate tasks have few queries."""
    inner_lr: float = 1e-3
    """Learning rate within a task. paper: Adam without momentum at 1e-3."""

    def __post_init__(self) -> None:
        require_positive(self, "inner_steps")

    def compute_gradients(self, model: Model, task: Task, rng: Generator) -> Tensor:
        """Take steps on the task, restore the weights, and write θ − θ′ to `grad`.

        Return the mean loss of the steps.
        """
        import torch

        start = [weight.detach().clone() for weight in model.lora()]
        inner = torch.optim.Adam(model.lora(), lr=self.inner_lr, betas=(0.0, 0.999))
        losses = []
        count = len(task.query)
        batches = torch.randperm(count, generator=rng).tensor_split(min(self.inner_steps, count))  # none is empty
        for queries in batches:
            loss = self.loss_with(model, task, queries=queries.to(model.device))
            inner.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            inner.step()
            losses.append(loss.detach())
        with torch.no_grad():
            for weight, origin in zip(model.lora(), start, strict=True):
                weight.grad = origin - weight
                weight.copy_(origin)
        return torch.stack(losses).mean()

    def optimizer(self, weights: Sequence[Parameter]) -> Optimizer:
        """Return plain gradient descent, whose step on θ − θ′ at rate ε is Reptile's."""
        import torch

        return torch.optim.SGD(weights, lr=self.lr)
