"""Reptile: move part of the way to the result of a few steps on each task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import GradientMetaLearner
from freeshot.basics.validators import require_positive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Generator, Tensor
    from torch.nn import Parameter
    from torch.optim import Optimizer

    from freeshot import Model, Task


@dataclass(frozen=True)
class Reptile(GradientMetaLearner):
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

    def loss(self, model: Model, task: Task) -> Tensor:
        """Return the loss of nearest-prototype classification."""
        from freeshot_baselines.meta_learners.task_loss import prototype_loss

        return prototype_loss(model, task)

    def pull(self, model: Model, task: Task, rng: Generator) -> Tensor:
        """Take steps on the task, restore the weights, and write θ − θ′ to `grad`.

        Return the mean loss of the steps.
        """
        import torch

        from freeshot_baselines.meta_learners.task_loss import prototype_loss

        start = [weight.detach().clone() for weight in model.lora()]
        inner = torch.optim.Adam(model.lora(), lr=self.inner_lr, betas=(0.0, 0.999))
        losses = []
        for part in _dealt(len(task.query), self.inner_steps, rng):
            with torch.autocast(model.device.type, torch.bfloat16, enabled=self.bf16):
                loss = prototype_loss(model, task, asked=part.to(model.device))
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


def _dealt(count: int, parts: int, rng: Generator) -> Sequence[Tensor]:
    """Distribute 0…count−1 randomly over `parts` lists, none of them empty."""
    import torch

    return torch.randperm(count, generator=rng).tensor_split(min(parts, count))
