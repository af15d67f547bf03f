"""Rules for meta-learners."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import torch
from torch import Tensor

from freeshot.basics.step_limit import at_most
from freeshot.contracts.tensors import Adapter
from freeshot.engine.lora.meta_model import SharedLora
from freeshot.pipeline.task_sampler import Tasks
from freeshot.testing.contract.fixtures import SHOTS, WAYS, require_reproducible
from freeshot.testing.contract.rules import BrokenError, Subject, rule

TASKS = 8
"""Number of tasks in these checks; enough for learners that collect a group first."""


def trained(
    subject: Subject,
    way: int = 5,
    shot: int = 1,
    seed: int = 0,
    *,
    masked: bool = False,
    on_step: Any = None,
    model: Any = None,
    tasks: Tasks | None = None,
) -> Adapter:
    """Train a LoRA on a few tasks."""
    tasks = tasks or subject.world.tasks(way, shot, masked=masked, seed=seed, on_step=on_step)
    rng = torch.Generator().manual_seed(seed)
    with at_most(TASKS):
        adapter: Adapter = subject.make().fit(model or fresh_model(subject), tasks, rng)
    return adapter


def fresh_model(subject: Subject) -> Any:
    """Return the toy network with a new LoRA to train."""
    return SharedLora(subject.world.backbone, 2, torch.Generator().manual_seed(0))


def _flat(adapter: Adapter) -> Tensor:
    return torch.cat([adapter.tensors[name].flatten() for name in sorted(adapter.tensors)])


@rule(f"returns an adapter for ways {WAYS} and shots {SHOTS}, with masks and without", "meta-learner")
def _shapes(subject: Subject) -> None:
    expected = {name: tensor.shape for name, tensor in fresh_model(subject).snapshot().tensors.items()}
    for way in WAYS:
        for shot in SHOTS:
            for masked in (False, True):
                adapter = trained(subject, way, shot, masked=masked)
                if not isinstance(adapter, Adapter):
                    raise BrokenError(f"fit returned {type(adapter).__name__}. Return model.snapshot().")
                if {name: tensor.shape for name, tensor in adapter.tensors.items()} != expected:
                    raise BrokenError("The adapter's tensors are not the LoRA's. Return model.snapshot().")
                if not all(torch.isfinite(tensor).all() for tensor in adapter.tensors.values()):
                    raise BrokenError(f"With {way} ways and {shot} shots the LoRA is not finite. Lower the rate.")


@rule("learns: the LoRA changes", "meta-learner")
def _learns(subject: Subject) -> None:
    if torch.equal(_flat(trained(subject)), _flat(fresh_model(subject).snapshot())):
        raise BrokenError(f"After {TASKS} tasks the LoRA is unchanged. Take steps on model.lora().")


@rule("the same seed gives the same LoRA", "meta-learner")
def _same_seed(subject: Subject) -> None:
    advice = "Two trainings with one seed differ. Draw every random number from `rng`."
    require_reproducible(lambda: _flat(trained(subject)), advice)


@rule("another seed gives another LoRA", "meta-learner")
def _other_seed(subject: Subject) -> None:
    if torch.equal(_flat(trained(subject, seed=1)), _flat(trained(subject, seed=2))):
        raise BrokenError("Other tasks give the same LoRA. Use the tasks of `tasks.take`, not those of an earlier run.")


@rule("does not modify the tasks", "meta-learner")
def _tasks_stay(subject: Subject) -> None:
    tasks = subject.world.tasks(5, 1, masked=False)
    originals = list(tasks.take(TASKS))
    copies = [(task.support.images.clone(), task.query.images.clone(), task.query.labels.clone()) for task in originals]
    replay = cycle(originals)
    trained(subject, tasks=Tasks(lambda rng: next(replay), {}, 0))
    for task, (support, query, labels) in zip(originals, copies, strict=True):
        pairs = ((task.support.images, support), (task.query.images, query), (task.query.labels, labels))
        if not all(torch.equal(tensor, reference) for tensor, reference in pairs):
            raise BrokenError("It modified its tasks. Work on copies.")


@rule("the adapter is a copy", "meta-learner")
def _is_a_copy(subject: Subject) -> None:
    model = fresh_model(subject)
    adapter = trained(subject, model=model)
    before = _flat(adapter).clone()
    with torch.no_grad():
        for weight in model.lora():
            weight.add_(1)
    if not torch.equal(_flat(adapter), before):
        raise BrokenError("The adapter shares memory with the model. Return model.snapshot(), which copies.")
