"""BELL: learn from LoRAs in sequence and move part of the way, which aligns their gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import MetaLearner
from freeshot.basics.errors import DivergedError
from freeshot.basics.validators import require_positive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Generator, Tensor

    from freeshot import Adapter, Model, Task, TaskStream


@dataclass(frozen=True)
class Bell(MetaLearner):
    """Distil a group of LoRAs in sequence, move towards the result, and replay tasks mixed across LoRAs.

    The released code passes (θ − θ') × 67 to Adam as a gradient; here θ moves by a share of the difference, Reptile's
    own step. Its distillation loss is not a KL divergence (the logarithm is missing); here it is.
    """

    name = "bell"
    citation = "Wei et al., FREE, CVPR 2024; Nichol et al., On First-Order Meta-Learning Algorithms, 2018"
    iterations: int = 4000
    """Number of tasks drawn, from single LoRAs and across LoRAs together."""
    group: int = 4
    """LoRA tasks per sequence. code: 4."""
    lr: float = 1e-3
    """Learning rate of Adam within a sequence, and in replay. code: 1e-3."""
    pace: float = 0.5
    """Share of the difference by which θ moves towards the end of a sequence."""
    passes: int = 1
    """Steps on each LoRA task. code: 1."""

    def __post_init__(self) -> None:
        require_positive(self, "group")

    def fit(self, model: Model, tasks: TaskStream, rng: Generator) -> Adapter:
        """Run a sequence for each group of LoRA tasks; replay each task across LoRAs with one step."""
        import torch

        replay = torch.optim.Adam(model.lora(), lr=self.lr)
        waiting: list[Task] = []
        for number, task in enumerate(tasks.take(self.iterations)):
            if task.teacher_logits is None:
                _descend(replay, _finite(replay_loss(model, task), self.name, number))
                continue
            waiting.append(task)
            if len(waiting) == self.group:
                self._walk(model, waiting, number)
                waiting = []
        return model.snapshot()

    def _walk(self, model: Model, group: Sequence[Task], number: int) -> None:
        """Take steps on a group's tasks, then move back part of the way."""
        import torch

        start = [weight.detach().clone() for weight in model.lora()]
        optimizer = torch.optim.Adam(model.lora(), lr=self.lr)
        for task in group:
            for _ in range(self.passes):
                _descend(optimizer, _finite(distillation_loss(model, task), self.name, number))
        with torch.no_grad():
            for weight, origin in zip(model.lora(), start, strict=True):
                weight.copy_(torch.lerp(origin, weight, self.pace))


def distillation_loss(model: Model, task: Task) -> Tensor:
    """Return KL(LoRA ‖ student) on the query; the student classifies by distance to the class means."""
    from torch.nn.functional import kl_div, log_softmax

    assert task.teacher_logits is not None
    ours = log_softmax(_logits(model, task), 1)
    return kl_div(ours, log_softmax(task.teacher_logits, 1), reduction="batchmean", log_target=True)


def replay_loss(model: Model, task: Task) -> Tensor:
    """Return the cross-entropy on the query of a task across LoRAs."""
    from torch.nn.functional import cross_entropy

    return cross_entropy(_logits(model, task), task.query.labels)


def _logits(model: Model, task: Task) -> Tensor:
    from freeshot.ops.prototypes import prototype_logits

    support = model.embed(task.support.images, task.support.kept)  # [n, d]
    query = model.embed(task.query.images, task.query.kept)  # [q, d]
    return prototype_logits(query, support, task.support.labels, task.way, "euclidean")


def _finite(loss: Tensor, name: str, number: int) -> Tensor:
    import torch

    if not torch.isfinite(loss):
        raise DivergedError(f"The loss of meta-learner '{name}' is {loss.item()} at task {number}. Lower its lr.")
    return loss


def _descend(optimizer: object, loss: Tensor) -> None:
    import torch

    assert isinstance(optimizer, torch.optim.Optimizer)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
