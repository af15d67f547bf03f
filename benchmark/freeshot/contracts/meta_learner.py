"""The interface of meta-learners: from tasks to one adapter."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from freeshot.basics.errors import DivergedError, OptionError
from freeshot.basics.schedules import cosine
from freeshot.contracts.component import Component, added
from freeshot.contracts.extra import extended, learned
from freeshot.contracts.validation import Best, Last

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import torch
    from torch import Generator, Tensor
    from torch.nn import Parameter
    from torch.optim import Optimizer

    from freeshot.contracts.checkpoint import Checkpoint
    from freeshot.contracts.flow import Adapter, Task


class Model(Protocol):
    """The frozen backbone with one shared, trainable LoRA."""

    device: torch.device

    @property
    def extra(self) -> Mapping[str, Parameter]:
        """What is trained beside the LoRA, by name: the meta-learner's `extra_parameters`; empty where it has none."""
        ...

    def embed(self, images: Tensor, kept: Tensor | None = None) -> Tensor:
        """Map images [n, 3, h, w] in 0…1, seen through the kept patches [n, k], to features [n, d]."""
        ...

    def embed_with(self, weights: Sequence[Tensor], images: Tensor, kept: Tensor | None = None) -> Tensor:
        """Embed with these tensors in place of `lora()`, differentiable in them; they may be of another rank."""
        ...

    def lora(self) -> Sequence[Parameter]:
        """Return the LoRA's weights: A [1, r, i] of every slot, then B [1, o, r]; the network itself cannot change."""
        ...

    def snapshot(self) -> Adapter:
        """Copy the LoRA as it stands."""
        ...


class TaskStream(Protocol):
    """Tasks without end, drawn reproducibly; `take` stops it and reports progress."""

    checkpoint: Checkpoint
    """Where long training may leave its state, and find it after an interruption."""
    held_out: Sequence[Task]
    """Tasks of classes that `take` never yields, with answers; empty where none are held out."""

    def take(self, count: int, start: int = 0) -> Iterator[Task]:
        """Yield tasks start…count−1; task i is the same however the count began."""
        ...

    def take_wanted(self, count: int, wanted: Callable[[Task], bool]) -> Iterator[Task]:
        """Yield `count` tasks that are `wanted`; others are passed by, at most nine in a row."""
        ...


@dataclass(frozen=True)
class MetaLearner(Component):
    """Train one shared LoRA over many tasks."""

    kind: ClassVar[str] = "meta-learner"

    @abstractmethod
    def fit(self, model: Model, tasks: TaskStream, rng: Generator) -> Adapter:
        """Return the adapter; change nothing but `model.lora()`."""


@dataclass(frozen=True)
class GradientMetaLearner(MetaLearner):
    """The short road: write `loss`, get Adam with cycles of linear warm-up and cosine decay."""

    iterations: int = 240_000
    """Optimiser steps, one task each. papers: the released scripts' 240,000; the paper is silent."""
    lr: float = 1e-3
    """Peak learning rate of Adam."""
    lr_floor: float = 1e-5
    """Learning rate between cycles."""
    cycle: int = 100
    """Steps per cycle of the schedule; 0 makes one cycle of the whole run."""
    warmup: int = 25
    """Steps of linear warm-up that begin each cycle."""
    validate_every: int = added(0)
    """Judge the LoRA on held-out surrogate classes at every so many steps and at the end, keep the best; 0: keep the
    last. Needs the method's `held_out`."""
    bf16: bool = added(False)
    """Look through the network in bfloat16, and compute the loss by autocast; the LoRA stays in full precision."""

    @abstractmethod
    def loss(self, model: Model, task: Task) -> Tensor:
        """Return a scalar that is small when the model solves the task."""

    def extra_parameters(self, model: Model, rng: Generator) -> Mapping[str, Tensor | float]:
        """Return start values, by name, of what is trained beside the LoRA; by default nothing.

        Called once per fit, before the first step. `loss` and `pull` find the parameters under the same names in
        `model.extra`. They are trained by the same optimiser and kept in checkpoints. At test only the LoRA is used.
        """
        return {}

    def pull(self, model: Model, task: Task, rng: Generator) -> Tensor:
        """Leave in each weight's `grad` what the optimiser is to go against, and return the loss, a scalar.

        By default the gradient of `loss`. What is random comes from `rng`, a stream of this step alone. Every
        `grad` is None when this is called by `fit`.
        """
        import torch

        with torch.autocast(model.device.type, torch.bfloat16, enabled=self.bf16):
            loss = self.loss(model, task)
        for weight in model.lora():
            weight.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def optimizer(self, weights: Sequence[Parameter]) -> Optimizer:
        """Return what takes the steps: `weights` are the LoRA's, then the extra parameters.

        The rate of its first group is set before each step; other groups keep theirs.
        """
        import torch

        return torch.optim.Adam(weights, lr=self.lr)

    def rate(self, step: int) -> float:
        """Return the learning rate at a step: up a line, down a cosine, again."""
        cycle = self.cycle or max(self.iterations, 1)
        position = step % cycle
        if position < self.warmup:
            share = position / self.warmup
        else:
            share = cosine(position - self.warmup, max(cycle - self.warmup, 1))
        return self.lr_floor + (self.lr - self.lr_floor) * share

    def fit(self, model: Model, tasks: TaskStream, rng: Generator) -> Adapter:
        """Take one step per task."""
        import torch

        from freeshot.basics.resume import restore, snapshot
        from freeshot.basics.seeds import stream

        root = int(torch.randint(2**62, (), generator=rng))  # so that a step's stream needs no checkpoint
        model = extended(model, self.extra_parameters(model, stream(root, "extra")), self.name)
        weights = learned(model)
        best = self.choosing(model, tasks)
        optimizer = self.optimizer(weights)
        start = restore(tasks.checkpoint.load(), [*weights, *best.state], optimizer)
        for step, task in enumerate(tasks.take(self.iterations, start), start):
            optimizer.param_groups[0]["lr"] = self.rate(step)
            optimizer.zero_grad()  # a `pull` of a plugin may clear the LoRA's gradients alone
            loss = self.pull(model, task, stream(root, "step", step))
            if not torch.isfinite(loss):
                raise DivergedError(
                    f"The loss of meta-learner '{self.name}' is {loss.item()} at step {step}. "
                    "Lower its lr or check the surrogate images."
                )
            optimizer.step()
            if self.judges(step + 1):
                best.judge(model, step + 1)
            tasks.checkpoint.offer(
                lambda done=step + 1: snapshot(done, [*weights, *best.state], optimizer)  # type: ignore[misc]
            )
        return best.of(model)

    def judges(self, done: int) -> bool:
        """Say whether the LoRA is judged after so many steps."""
        return self.validate_every > 0 and (done % self.validate_every == 0 or done == self.iterations)

    def choosing(self, model: Model, tasks: TaskStream) -> Last:
        """Return what keeps the best LoRA, or the last where none is judged."""
        if self.validate_every and not tasks.held_out:
            raise OptionError(
                f"Meta-learner '{self.name}' is to validate every {self.validate_every} steps, but no classes are held "
                "out. Give the method a share with -o held_out=0.1, or set validate_every=0."
            )
        return Best(model, tasks.held_out) if self.validate_every else Last()
