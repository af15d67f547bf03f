"""Two meta-learners from outside: one that writes a loss, one that owns its loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import GradientMetaLearner, MetaLearner, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Generator, Tensor

    from freeshot import Adapter, Model, Task, TaskStream


@dataclass(frozen=True)
class ProtoFive(GradientMetaLearner):
    """Pull queries towards their own class mean."""

    name = "proto-five"

    def loss(self, model: Model, task: Task) -> Tensor:
        """Return the cross entropy of the nearest-prototype head."""
        from torch.nn.functional import cross_entropy  # here, so that listing plugins stays fast

        from freeshot.ops.prototypes import prototype_logits

        support = model.embed(task.support.images, task.support.kept)  # [n, d]
        query = model.embed(task.query.images, task.query.kept)  # [q, d]
        return cross_entropy(prototype_logits(query, support, task.support.labels, task.way), task.query.labels)


@dataclass(frozen=True)
class Reptile(MetaLearner):
    """Walk the shared LoRA a little towards where each task would take it."""

    name = "reptile-walk"
    citation = "Nichol et al., On First-Order Meta-Learning Algorithms, 2018"
    iterations: int = 1000
    """Tasks seen, one walk each."""
    pace: float = 0.1
    """How far to go towards each task's own solution, 0…1."""
    inner_steps: int = 5
    """Gradient steps per task."""
    lr: float = 1e-2
    """Learning rate of the inner steps."""

    def fit(self, model: Model, tasks: TaskStream, rng: Generator) -> Adapter:
        """Solve each task for itself, then keep a part of the way."""
        import torch

        for task in tasks.take(self.iterations):
            start = [weight.detach().clone() for weight in model.lora()]
            optimizer = torch.optim.SGD(model.lora(), lr=self.lr)
            for _ in range(self.inner_steps):
                optimizer.zero_grad()
                ProtoFive().loss(model, task).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            with torch.no_grad():
                for weight, before in zip(model.lora(), start, strict=True):
                    weight.copy_(before.lerp(weight, self.pace))
        return model.snapshot()


@hookimpl
def freeshot_meta_learners() -> Iterable[type[MetaLearner]]:
    """Offer both by name: `-o learner=proto-five`, `-o learner=reptile-walk`."""
    return [ProtoFive, Reptile]
