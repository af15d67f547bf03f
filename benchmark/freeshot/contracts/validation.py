"""Which state of a LoRA under training is handed on: the last, or the one that was best on classes held out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from freeshot.contracts.extra import learned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from freeshot.contracts.flow import Adapter, Task
    from freeshot.contracts.meta_learner import Model


class Last:
    """Keep nothing but the last LoRA."""

    state: tuple[Tensor, ...] = ()

    def judge(self, model: Model, step: int) -> None:
        """Pass it by."""

    def of(self, model: Model) -> Adapter:
        """Return the last."""
        return model.snapshot()


class Best(Last):
    """Keep a copy of all that is trained, as it was when most held-out tasks were solved; of equals the earliest."""

    def __init__(self, model: Model, tasks: Sequence[Task]) -> None:
        import torch

        self._tasks = tasks
        self._weights = [weight.detach().clone() for weight in learned(model)]
        self._accuracy = torch.full((), -1.0, dtype=torch.float64)
        self._step = torch.zeros((), dtype=torch.int64)
        self.state = (*self._weights, self._accuracy, self._step)

    def judge(self, model: Model, step: int) -> None:
        """Copy the LoRA if it is better than any was."""
        accuracy = sum(nearest_prototype_accuracy(model, task) for task in self._tasks) / len(self._tasks)
        if accuracy <= float(self._accuracy):
            return
        self._accuracy.fill_(accuracy)
        self._step.fill_(step)
        for kept, weight in zip(self._weights, learned(model), strict=True):
            kept.copy_(weight.detach())

    def of(self, model: Model) -> Adapter:
        """Set the model to the best and copy it."""
        import torch

        with torch.no_grad():
            for kept, weight in zip(self._weights, learned(model), strict=True):
                weight.copy_(kept)
        adapter = model.snapshot()
        facts = {"validation_accuracy": round(float(self._accuracy), 4), "validation_step": int(self._step)}
        return replace(adapter, facts={**adapter.facts, **facts})


def nearest_prototype_accuracy(model: Model, task: Task) -> float:
    """Return the share of a task's queries that lie nearest to the mean of their own class."""
    import torch

    from freeshot.basics.prototypes import prototype_logits

    with torch.no_grad():
        support = model.embed(task.support.images, task.support.kept)
        query = model.embed(task.query.images, task.query.kept)
        logits = prototype_logits(query, support, task.support.labels, task.way)
        return float((logits.argmax(1) == task.query.labels).double().mean())
