"""Extra parameters of a gradient meta-learner: trained beside the LoRA, by the same optimiser."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest
import torch
from tests.contracts.test_meta_learner import OneWeight, QueryOutcomes, Shifting, Ways, fit
from torch import Generator, Tensor

from freeshot import GradientMetaLearner
from freeshot.basics.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch.nn import Parameter
    from torch.optim import Optimizer

    from freeshot import Model, Task, TaskStream


@dataclass(frozen=True)
class Tempered(GradientMetaLearner):
    """Pull the weight towards 1, and an extra parameter towards 2."""

    name = "tempered"
    start: Any = 0.5
    seen: list[Any] = field(default_factory=list)

    def extra_parameters(self, model: Model, rng: Generator) -> Mapping[str, Tensor | float]:
        return {"log_scale": self.start}

    def loss(self, model: Model, task: Task) -> Tensor:
        (weight,) = model.lora()
        self.seen.append(model.extra["log_scale"].detach().clone())
        return (weight - 1).square().sum() + (model.extra["log_scale"] - 2).square().sum()


@dataclass(frozen=True)
class Careless(Tempered):
    """Clear the gradients of the LoRA alone."""

    name = "careless"

    def compute_gradients(self, model: Model, task: Task, rng: Generator) -> Tensor:
        for weight in model.lora():
            weight.grad = None
        loss = self.loss(model, task)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()


STEADY: dict[str, Any] = {"cycle": 0, "warmup": 0, "lr": 0.1, "lr_floor": 0.1}


def test_an_extra_parameter_is_learned_beside_the_lora() -> None:
    model, learner = OneWeight(), Tempered(iterations=200, **STEADY)
    adapter = fit(learner, model)
    assert float(learner.seen[0]) == 0.5
    assert float(learner.seen[-1]) == pytest.approx(2, abs=1e-2)
    assert float(model.weight.detach()) == pytest.approx(1, abs=1e-2)
    assert list(adapter.tensors) == ["weight"]


def test_an_extra_parameter_takes_the_steps_of_the_optimiser_at_the_schedules_rate() -> None:
    learner = Tempered(iterations=12, cycle=5, warmup=2, lr=0.1)
    fit(learner, OneWeight())
    scale = torch.full((), 0.5, requires_grad=True)
    adam = torch.optim.Adam([scale])
    for step in range(11):  # the last step is not seen by any loss
        adam.param_groups[0]["lr"] = learner.rate(step)
        scale.grad = 2 * (scale.detach() - 2)
        adam.step()
    assert torch.allclose(learner.seen[-1], scale, atol=1e-6)


def test_every_fit_begins_at_the_start_values() -> None:
    learner = Tempered(iterations=5, start=torch.tensor([0.5]), **STEADY)
    first, second = fit(learner, OneWeight()), fit(learner, OneWeight())
    assert torch.equal(learner.seen[0], learner.seen[5])
    assert first.facts == second.facts
    assert learner.start.tolist() == [0.5]


def test_single_numbers_are_among_the_adapters_facts() -> None:
    assert fit(Tempered(iterations=200, **STEADY), OneWeight()).facts == {"log_scale": pytest.approx(2, abs=1e-2)}
    assert fit(Tempered(iterations=3, start=torch.zeros(3)), OneWeight()).facts == {}


def test_gradients_of_one_step_are_gone_in_the_next() -> None:
    careful, careless = Tempered(iterations=20, **STEADY), Careless(iterations=20, **STEADY)
    fit(careful, OneWeight())
    fit(careless, OneWeight())
    assert careful.seen == careless.seen


@pytest.mark.parametrize("start", [1, torch.ones(2, dtype=torch.int64)])
def test_whole_numbers_are_refused_as_start_values(start: Any) -> None:
    with pytest.raises(ContractError) as caught:
        fit(Tempered(iterations=3, start=start), OneWeight())
    assert str(caught.value) == (
        "The extra parameter 'log_scale' of meta-learner 'tempered' is torch.int64. Only floating-point numbers can be "
        "trained. Return 1.0 instead of 1, or tensor.float()."
    )


def test_random_start_values_depend_on_the_seed_alone() -> None:
    @dataclass(frozen=True)
    class Drawn(Tempered):
        """Draw the start value."""

        def extra_parameters(self, model: Model, rng: Generator) -> Mapping[str, Tensor | float]:
            return {"log_scale": torch.randn((), generator=rng)}

    def first(seed: int) -> float:
        learner = Drawn(iterations=1)
        learner.fit(cast("Model", OneWeight()), cast("TaskStream", Ways()), torch.Generator().manual_seed(seed))
        return float(learner.seen[0])

    assert first(1) == first(1) != first(2)


def test_the_optimiser_is_made_of_the_lora_then_the_extra_parameters() -> None:
    given: list[int] = []

    @dataclass(frozen=True)
    class Slow(Tempered):
        """Train the extra parameter at a rate of its own."""

        def optimizer(self, weights: Sequence[Parameter]) -> Optimizer:
            given.extend(weight.ndim for weight in weights)
            groups: list[dict[str, Any]] = [{"params": weights[:-1]}, {"params": weights[-1:], "lr": 0.0}]
            return torch.optim.SGD(groups, lr=self.lr)

    learner, model = Slow(iterations=5, **STEADY), OneWeight()
    fit(learner, model)
    assert given == [1, 0]
    assert set(map(float, learner.seen)) == {0.5}
    assert float(model.weight.detach()) > 0.5


def test_the_best_lora_comes_with_the_extra_parameters_of_its_step() -> None:
    learner = Tempered(iterations=30, validate_every=1, **STEADY)
    model = Shifting()
    adapter = learner.fit(cast("Model", model), cast("TaskStream", QueryOutcomes()), torch.Generator())
    step = adapter.facts["validation_step"]
    assert 1 < step < 30
    assert adapter.facts["log_scale"] == pytest.approx(float(learner.seen[step]), rel=1e-3)


def test_a_learner_without_extra_parameters_sees_the_model_itself() -> None:
    @dataclass(frozen=True)
    class Plain(Tempered):
        """Have no extra parameters."""

        def extra_parameters(self, model: Model, rng: Generator) -> Mapping[str, Tensor | float]:
            return {}

        def loss(self, model: Model, task: Task) -> Tensor:
            self.seen.append(model)
            return model.lora()[0].square().sum()

    learner, model = Plain(iterations=2), OneWeight()
    assert fit(learner, model).facts == {}
    assert all(seen is model for seen in learner.seen)
