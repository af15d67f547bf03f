"""Gradient meta-learners are a loss, Adam and a schedule."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import pytest
import torch
from torch import Tensor
from torch.nn import Parameter

from freeshot.basics.errors import DivergedError, OptionError
from freeshot.contracts.meta_learner import GradientMetaLearner, Model, TaskStream
from freeshot.contracts.tensors import Adapter, Checkpoint, Shots, Task


@dataclass(frozen=True)
class Pull(GradientMetaLearner):
    """Pull a weight towards the task's way."""

    name = "pull"

    bad_step: int = -1

    def loss(self, model: Model, task: Task) -> Tensor:
        (weight,) = model.lora()
        loss = (weight - task.way).square().sum()
        return loss * math.nan if task.way == self.bad_step else loss


class OneWeight:
    device = torch.device("cpu")

    def __init__(self) -> None:
        self.weight = Parameter(torch.zeros(1))

    def embed(self, images: Tensor, kept: Tensor | None = None) -> Tensor:
        return images.flatten(1)

    def lora(self) -> Sequence[Parameter]:
        return (self.weight,)

    def snapshot(self) -> Adapter:
        return Adapter({"weight": self.weight.detach().clone()})


class Ways:
    """Tasks whose way is their number."""

    checkpoint = Checkpoint()
    held_out: Sequence[Task] = ()

    def take(self, count: int, start: int = 0) -> Iterator[Task]:
        empty = Shots(torch.zeros(0, 3, 1, 1), torch.zeros(0))
        for number in range(start, count):
            yield Task(empty, empty, number)


def fit(learner: GradientMetaLearner, model: OneWeight) -> Adapter:
    return learner.fit(cast("Model", model), cast("TaskStream", Ways()), torch.Generator())


def slow_rates(learner: GradientMetaLearner, steps: int) -> list[float]:
    """Walk through the cycles one step at a time."""
    rates: list[float] = []
    while len(rates) < steps:
        down = learner.cycle - learner.warmup
        up = [i / learner.warmup for i in range(learner.warmup)]
        shares = up + [0.5 + 0.5 * math.cos(math.pi * i / down) for i in range(down)]
        rates += [learner.lr_floor + (learner.lr - learner.lr_floor) * share for share in shares]
    return rates[:steps]


@pytest.mark.parametrize(("cycle", "warmup"), [(100, 25), (7, 3), (5, 0)])
def test_the_rate_goes_up_a_line_and_down_a_cosine_again_and_again(cycle: int, warmup: int) -> None:
    learner = Pull(cycle=cycle, warmup=warmup)
    assert [learner.rate(step) for step in range(250)] == pytest.approx(slow_rates(learner, 250), rel=1e-12)


def test_the_rate_begins_at_the_floor_and_peaks_after_warm_up() -> None:
    learner = Pull()
    assert learner.rate(0) == learner.rate(100) == learner.lr_floor
    assert learner.rate(25) == learner.lr == max(learner.rate(step) for step in range(100))


def test_cycle_zero_makes_one_cycle_of_the_whole_run() -> None:
    whole, named = Pull(iterations=60, cycle=0, warmup=5), Pull(cycle=60, warmup=5)
    assert [whole.rate(step) for step in range(60)] == [named.rate(step) for step in range(60)]


def test_a_warm_up_as_long_as_the_cycle_only_rises() -> None:
    learner = Pull(cycle=4, warmup=4)
    assert [learner.rate(step) for step in range(4)] == sorted(learner.rate(step) for step in range(4))


def test_fitting_is_one_adam_step_per_task_at_the_schedules_rate() -> None:
    learner, model = Pull(iterations=12, cycle=5, warmup=2, lr=0.1), OneWeight()
    fit(learner, model)
    weight = torch.zeros(1, requires_grad=True)
    adam = torch.optim.Adam([weight])
    for step in range(12):
        adam.param_groups[0]["lr"] = learner.rate(step)
        weight.grad = 2 * (weight.detach() - step)
        adam.step()
    assert torch.allclose(model.weight, weight, atol=1e-6)


def test_fitting_returns_the_adapter_of_the_last_step() -> None:
    model = OneWeight()
    assert torch.equal(fit(Pull(iterations=3), model).tensors["weight"], model.weight)


def test_no_iterations_leave_the_adapter_untouched() -> None:
    assert fit(Pull(iterations=0), OneWeight()).tensors["weight"].tolist() == [0.0]


def test_a_diverging_loss_is_named_with_its_step() -> None:
    with pytest.raises(DivergedError) as caught:
        fit(Pull(iterations=9, bad_step=4), OneWeight())
    assert str(caught.value) == (
        "The loss of meta-learner 'pull' is nan at step 4. Lower its lr or check the surrogate images."
    )


class QueryOutcomes(Ways):
    """Tasks whose way is their number, and one held-out task that is solved while the weight lies in 1…2."""

    held_out = (
        Task(
            Shots(torch.tensor([0.0, 3.0]).view(2, 1, 1, 1).expand(2, 3, 1, 1), torch.tensor([0, 1])),
            Shots(torch.ones(1, 3, 1, 1), torch.tensor([0])),
            2,
        ),
    )


class Shifting(OneWeight):
    """Queries lie at the weight, so that the middle of the classes decides which weights are right."""

    def embed(self, images: Tensor, kept: Tensor | None = None) -> Tensor:
        if len(images) == 2:
            return images[:, 0, 0]
        return (self.weight.detach() - 1.2).abs().view(1, 1) * 4


def test_the_lora_that_was_best_on_held_out_tasks_is_returned() -> None:
    def at(steps: int) -> float:
        model = Shifting()
        fit(Pull(iterations=steps, cycle=0, warmup=0, lr=0.3, lr_floor=0.3), model)
        return float(model.weight.detach())

    learner = Pull(iterations=30, cycle=0, warmup=0, lr=0.3, lr_floor=0.3, validate_every=1)
    model = Shifting()
    adapter = learner.fit(cast("Model", model), cast("TaskStream", QueryOutcomes()), torch.Generator())
    first_right = next(steps for steps in range(1, 31) if abs(at(steps) - 1.2) * 4 < 1.5)
    assert float(adapter.tensors["weight"]) == float(model.weight.detach()) == pytest.approx(at(first_right))
    assert adapter.facts == {"validation_accuracy": 1.0, "validation_step": first_right}
    assert 1 < first_right < 30


def test_the_last_step_is_validated_too() -> None:
    learner = Pull(iterations=5, validate_every=100)
    adapter = learner.fit(cast("Model", Shifting()), cast("TaskStream", QueryOutcomes()), torch.Generator())
    assert adapter.facts["validation_step"] == 5


def test_validation_without_held_out_classes_is_refused() -> None:
    with pytest.raises(OptionError, match="Give the method a share with -o held_out"):
        fit(Pull(iterations=3, validate_every=1), OneWeight())
