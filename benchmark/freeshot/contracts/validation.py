"""Checkpoint selection in meta-training: the last LoRA, or the best on held-out classes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from freeshot.contracts.extra import learned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from freeshot.contracts.flow import Adapter, Task
    from freeshot.contracts.meta_learner import Model


class KeepLast:
    """Select the last LoRA."""

    state: tuple[Tensor, ...] = ()

    def update(self, model: Model, step: int) -> None:
        """Do nothing."""

    def result(self, model: Model) -> Adapter:
        """Return the current LoRA."""
        return model.snapshot()


class KeepBest(KeepLast):
    """Select the LoRA with the best accuracy on held-out tasks, the earliest of equals; copies all trained weights."""

    def __init__(self, model: Model, tasks: Sequence[Task]) -> None:
        import torch

        self._tasks = tasks
        self._weights = [weight.detach().clone() for weight in learned(model)]
        self._accuracy = torch.full((), -1.0, dtype=torch.float64)
        self._step = torch.zeros((), dtype=torch.int64)
        self.state = (*self._weights, self._accuracy, self._step)

    def update(self, model: Model, step: int) -> None:
        """Evaluate the model and copy its weights if it is better than all before."""
        accuracy = sum(nearest_prototype_accuracy(model, task) for task in self._tasks) / len(self._tasks)
        if accuracy <= float(self._accuracy):
            return
        self._accuracy.fill_(accuracy)
        self._step.fill_(step)
        for kept, weight in zip(self._weights, learned(model), strict=True):
            kept.copy_(weight.detach())

    def result(self, model: Model) -> Adapter:
        """Load the best weights into the model and return a copy of its LoRA."""
        import torch

        with torch.no_grad():
            for kept, weight in zip(self._weights, learned(model), strict=True):
                weight.copy_(kept)
        adapter = model.snapshot()
        facts = {"validation_accuracy": round(float(self._accuracy), 4), "validation_step": int(self._step)}
        return replace(adapter, facts={**adapter.facts, **facts})


def nearest_prototype_accuracy(model: Model, task: Task) -> float:
    """Return the nearest-prototype accuracy on a task's queries, 0…1."""
    import torch

    from freeshot.ops.prototypes import prototype_logits

    with torch.no_grad():
        support = model.embed(task.support.images, task.support.kept)
        query = model.embed(task.query.images, task.query.kept)
        logits = prototype_logits(query, support, task.support.labels, task.way)
        return float((logits.argmax(1) == task.query.labels).double().mean())
