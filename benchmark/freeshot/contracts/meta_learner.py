"""The interface of meta-learners, which train one adapter on many tasks."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

from freeshot.basics.errors import ContractError, DivergedError, OptionError
from freeshot.contracts.component import Component
from freeshot.ops.schedules import cosine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import torch
    from torch import Generator, Tensor
    from torch.nn import Parameter
    from torch.optim import Optimizer

    from freeshot.contracts.tensors import Adapter, Checkpoint, Task


class Model(Protocol):
    """The frozen backbone with one trainable meta-LoRA."""

    device: torch.device

    @property
    def extra(self) -> Mapping[str, Parameter]:
        """Extra trained parameters by name: the meta-learner's `extra_parameters`; empty if it has none."""

    def embed(self, images: Tensor, kept: Tensor | None = None) -> Tensor:
        """Map images [n, 3, h, w] in 0…1, reduced to the kept patches [n, k], to features [n, d]."""

    def embed_with(self, weights: Sequence[Tensor], images: Tensor, kept: Tensor | None = None) -> Tensor:
        """Embed with these tensors instead of `lora()`, differentiable in them; their rank may differ."""

    def lora(self) -> Sequence[Parameter]:
        """Return the LoRA's weights: A [1, r, i] of every slot, then B [1, o, r]; the backbone itself is frozen."""

    def snapshot(self) -> Adapter:
        """Copy the LoRA's current weights."""


class TaskStream(Protocol):
    """An endless, reproducible stream of tasks; `take` bounds it and reports progress."""

    checkpoint: Checkpoint
    """Stores the state of long training and restores it after an interruption."""
    held_out: Sequence[Task]
    """Validation tasks, with labels, of classes that `take` never yields; empty if none are held out."""

    def take(self, count: int, start: int = 0) -> Iterator[Task]:
        """Yield tasks start…count−1; task i does not depend on `start`."""

    def take_where(self, count: int, predicate: Callable[[Task], bool]) -> Iterator[Task]:
        """Yield `count` tasks for which `predicate` is true; at most nine in a row are skipped."""


@dataclass(frozen=True)
class MetaLearner(Component):
    """Train one meta-LoRA over many tasks."""

    kind: ClassVar[str] = "meta-learner"

    @abstractmethod
    def fit(self, model: Model, tasks: TaskStream, rng: Generator) -> Adapter:
        """Return the trained adapter; must change nothing except `model.lora()`."""


@dataclass(frozen=True)
class GradientMetaLearner(MetaLearner):
    """Base class for gradient-based learners: implement `loss`, get Adam with cyclic warm-up and cosine decay."""

    iterations: int = 240_000
    """Optimiser steps, one task each. papers: the released scripts' 240,000; the paper is silent."""
    lr: float = 1e-3
    """Peak learning rate of Adam."""
    lr_floor: float = 1e-5
    """Learning rate between cycles."""
    cycle: int = 100
    """Steps per cycle of the schedule; 0: one cycle for the entire run."""
    warmup: int = 25
    """Steps of linear warm-up at the start of each cycle."""
    validate_every: int = 0
    """Evaluate the LoRA on held-out surrogate classes every so many steps and at the end, and keep the best; 0: keep
    the last. Needs the method's `held_out`."""

    @abstractmethod
    def loss(self, model: Model, task: Task) -> Tensor:
        """Return a scalar loss of the model on the task."""

    def extra_parameters(self, model: Model, rng: Generator) -> Mapping[str, Tensor | float]:
        """Return start values, by name, of parameters trained in addition to the LoRA; by default none.

        Called once per fit, before the first step. `loss` and `compute_gradients` find the parameters under the same
        names in `model.extra`. They are trained by the same optimiser and stored in checkpoints. At test only the LoRA
        is used.
        """
        return {}

    def compute_gradients(self, model: Model, task: Task, rng: Generator) -> Tensor:
        """Write the gradient for the optimiser to each weight's `grad`, and return the loss, a scalar.

        By default the gradient of `loss`. Draw random numbers from `rng`, a stream for this step alone. Every `grad` is
        None when `fit` calls this.
        """
        loss = self.loss(model, task)
        for weight in model.lora():
            weight.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def optimizer(self, weights: Sequence[Parameter]) -> Optimizer:
        """Return the optimiser of `weights`, which are the LoRA's, then the extra parameters.

        The learning rate of its first group is set before each step; other groups keep theirs.
        """
        import torch

        return torch.optim.Adam(weights, lr=self.lr)

    def rate(self, step: int) -> float:
        """Return the learning rate at a step: cycles of linear warm-up and cosine decay."""
        cycle = self.cycle or max(self.iterations, 1)
        position = step % cycle
        if position < self.warmup:
            share = position / self.warmup
        else:
            share = cosine(position - self.warmup, max(cycle - self.warmup, 1))
        return self.lr_floor + (self.lr - self.lr_floor) * share

    def fit(self, model: Model, tasks: TaskStream, rng: Generator) -> Adapter:
        """Take one optimiser step per task and return the selected adapter."""
        import torch

        from freeshot.basics.seeds import stream
        from freeshot.ops.optimizer_state import restore, snapshot

        root = int(torch.randint(2**62, (), generator=rng))  # a stream per step needs no generator state in checkpoints
        model = _extended(model, self.extra_parameters(model, stream(root, "extra")), self.name)
        weights = _trained_parameters(model)
        best = self.checkpoint_selector(model, tasks)
        optimizer = self.optimizer(weights)
        start = restore(tasks.checkpoint.load(), [*weights, *best.state], optimizer)
        for step, task in enumerate(tasks.take(self.iterations, start), start):
            optimizer.param_groups[0]["lr"] = self.rate(step)
            optimizer.zero_grad()  # a plugin's `compute_gradients` may clear only the LoRA's gradients
            loss = self.compute_gradients(model, task, stream(root, "step", step))
            if not torch.isfinite(loss):
                raise DivergedError(
                    f"The loss of meta-learner '{self.name}' is {loss.item()} at step {step}. "
                    "Lower its lr or check the surrogate images."
                )
            optimizer.step()
            if self.should_validate(step + 1):
                best.update(model, step + 1)
            tasks.checkpoint.offer(
                lambda done=step + 1: snapshot(done, [*weights, *best.state], optimizer)  # type: ignore[misc]
            )
        return best.result(model)

    def should_validate(self, done: int) -> bool:
        """Return whether the LoRA is validated after `done` steps."""
        return self.validate_every > 0 and (done % self.validate_every == 0 or done == self.iterations)

    def checkpoint_selector(self, model: Model, tasks: TaskStream) -> KeepLast:
        """Return the checkpoint selection: the best LoRA, or the last one without validation."""
        if self.validate_every and not tasks.held_out:
            raise OptionError(
                f"Meta-learner '{self.name}' is to validate every {self.validate_every} steps, but no classes are held "
                "out. Give the method a share with -o held_out=0.1, or set validate_every=0."
            )
        return KeepBest(model, tasks.held_out) if self.validate_every else KeepLast()


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
        self._weights = [weight.detach().clone() for weight in _trained_parameters(model)]
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
        for kept, weight in zip(self._weights, _trained_parameters(model), strict=True):
            kept.copy_(weight.detach())

    def result(self, model: Model) -> Adapter:
        """Load the best weights into the model and return a copy of its LoRA."""
        import torch

        with torch.no_grad():
            for kept, weight in zip(self._weights, _trained_parameters(model), strict=True):
                weight.copy_(kept)
        adapter = model.snapshot()
        facts = {"validation_accuracy": round(float(self._accuracy), 4), "validation_step": int(self._step)}
        return replace(adapter, facts={**adapter.facts, **facts})


def nearest_prototype_accuracy(model: Model, task: Task) -> float:
    """Return the nearest-prototype accuracy on a task's queries, 0…1."""
    import torch

    from freeshot.ops.prototypes import prototype_logits

    with torch.no_grad():
        support = model.embed(task.support.images, task.support.kept)  # [n, d]
        query = model.embed(task.query.images, task.query.kept)  # [q, d]
        logits = prototype_logits(query, support, task.support.labels, task.way)  # [q, c]
        return float((logits.argmax(1) == task.query.labels).double().mean())


class ExtendedModel:
    """A model with parameters that are trained in addition to its LoRA; implements `freeshot.Model`."""

    def __init__(self, model: Model, extra: Mapping[str, Parameter]) -> None:
        self._model, self.extra = model, extra

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def snapshot(self) -> Adapter:
        """Copy the LoRA's current weights; scalar extra parameters are stored in its facts, to four digits."""
        adapter = self._model.snapshot()
        numbers = {name: float(f"{value.item():.4g}") for name, value in self.extra.items() if value.numel() == 1}
        return replace(adapter, facts={**adapter.facts, **numbers})


def _extended(model: Model, values: Mapping[str, Tensor | float], learner: str) -> Model:
    """Return the model extended by parameters with these start values; the model itself if there are none."""
    import torch
    from torch.nn import Parameter

    extra: dict[str, Parameter] = {}
    for name, value in values.items():
        tensor = torch.as_tensor(value).detach().clone().to(model.device)
        if not tensor.is_floating_point():
            raise ContractError(
                f"The extra parameter '{name}' of meta-learner '{learner}' is {tensor.dtype}. Only floating-point "
                "numbers can be trained. Return 1.0 instead of 1, or tensor.float()."
            )
        extra[name] = Parameter(tensor)
    return cast("Model", ExtendedModel(model, extra)) if extra else model


def _trained_parameters(model: Model) -> tuple[Parameter, ...]:
    """Return the LoRA's weights, then the extra parameters, which a model wrapped by a plugin may lack."""
    extra: Mapping[str, Parameter] = getattr(model, "extra", {})
    return (*model.lora(), *extra.values())
