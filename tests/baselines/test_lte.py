"""LoRA-the-Explorer: heads learn in turn, their mean is merged, and a killed training ends with the same bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.given import Given
from torch import Tensor
from torch.nn import Parameter

from freeshot.basics.errors import DivergedError
from freeshot.contracts.tensors import Checkpoint, Shots, Task
from freeshot.engine import SharedLora
from freeshot_baselines.lte import Lte, fresh_head, merge, scaled
from freeshot_baselines.meta_learners.lora_factors import compressed, joined
from freeshot_baselines.meta_learners.task_loss import prototype_loss

if TYPE_CHECKING:
    from tests.conftest import Toy

    from freeshot.engine import Backbone

SMALL = Lte(heads=2, head_rank=2, merge_every=2, iterations=7, warmup=0, scale=2.0)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


class Weights:
    """A model that consists of weights only."""

    def __init__(self, rank: int) -> None:
        self.weights = [Parameter(normal(1, rank, 6, seed=1)), Parameter(normal(1, 5, rank, seed=2))]

    def lora(self) -> Sequence[Parameter]:
        return self.weights


def toy_task(seed: int) -> Task:
    images = torch.rand(12, 3, 16, 16, generator=rng(seed))
    labels, query = torch.arange(2).repeat_interleave(2), torch.arange(2).repeat_interleave(4)
    return Task(Shots(images[:4], labels), Shots(images[4:], query), 2)


TASKS = [toy_task(seed) for seed in range(7)]


def test_a_lora_is_compressed_to_the_nearest_of_its_rank() -> None:
    a, b = normal(1, 4, 6, seed=3), normal(1, 5, 4, seed=4)
    u, s, v = torch.linalg.svd(b[0] @ a[0])
    small_a, small_b = compressed([a, b], 2)
    assert (small_a.shape, small_b.shape) == ((1, 2, 6), (1, 5, 2))
    assert torch.allclose(small_b[0] @ small_a[0], u[:, :2] * s[:2] @ v[:2], atol=1e-12)
    assert torch.allclose(small_a[0].square().sum(1), small_b[0].square().sum(0))


def test_heads_start_orthonormal_and_change_nothing() -> None:
    a, b = fresh_head([normal(1, 2, 6), normal(1, 5, 2)], 3, rng())
    assert torch.allclose(a[0] @ a[0].mT, torch.eye(3, dtype=torch.float64), atol=1e-12)
    assert not b.any()
    wide, _ = fresh_head([normal(1, 2, 6), normal(1, 5, 2)], 8, rng())
    assert torch.allclose(wide[0].mT @ wide[0], torch.eye(6, dtype=torch.float64), atol=1e-12)


def test_a_merge_adds_the_heads_mean_and_empties_them() -> None:
    model: Any = Weights(5)
    heads = [[normal(1, 2, 6, seed=s), normal(1, 5, 2, seed=s + 10)] for s in range(3)]
    before = (model.weights[1] @ model.weights[0]).detach()[0]
    mean = torch.stack([b[0] @ a[0] for a, b in heads]).mean(0)
    merge(model, heads, 0.5)
    assert torch.allclose((model.weights[1] @ model.weights[0])[0], before + 0.5 * mean, atol=1e-10)
    assert not any(b.any() for _, b in heads)
    after = model.weights[0].clone()
    merge(model, heads, 0.5)
    assert torch.equal(model.weights[0], after)


def test_a_merge_keeps_the_rank() -> None:
    model: Any = Weights(2)
    heads = [[normal(1, 2, 6, seed=5), normal(1, 5, 2, seed=6)]]
    whole = (model.weights[1] @ model.weights[0])[0].detach() + heads[0][1][0] @ heads[0][0][0]
    merge(model, heads, 1.0)
    u, s, v = torch.linalg.svd(whole)
    assert torch.allclose((model.weights[1] @ model.weights[0])[0], u[:, :2] * s[:2] @ v[:2], atol=1e-10)


def fitted(backbone: Backbone, learner: Lte, checkpoint: Checkpoint | None = None) -> Mapping[str, Tensor]:
    return learner.fit(SharedLora(backbone, 2, rng()), Given(TASKS, checkpoint, TASKS[:1]), rng(2)).tensors


def test_tasks_go_to_the_heads_in_turn(backbone: Backbone) -> None:
    """Train both heads by hand, each alone with its own Adam and the shared LoRA of the last merge."""
    model, draws = SharedLora(backbone, 2, rng()), rng(2)
    heads = [fresh_head(model.lora(), 2, draws) for _ in range(2)]
    optimizers = [torch.optim.Adam(head, lr=SMALL.lr) for head in heads]
    for step, task in enumerate(TASKS):
        own = step % 2
        shared = [weight.detach().clone() for weight in model.lora()]
        optimizers[own].param_groups[0]["lr"] = SMALL.rate(step)
        optimizers[own].zero_grad()
        prototype_loss(model, task, joined(shared, scaled(heads[own], 2.0))).backward()  # type: ignore[no-untyped-call]
        optimizers[own].step()
        if step == 3:
            merge(model, heads, 2.0)
    merge(model, heads, 2.0)
    actual = fitted(backbone, SMALL)
    assert all(torch.allclose(actual[name], tensor, atol=1e-6) for name, tensor in model.snapshot().tensors.items())


class StateOfStep(Checkpoint):
    """A checkpoint that keeps the state of one step."""

    def __init__(self, at: int, state: Mapping[str, Tensor] | None = None) -> None:
        self.at, self.state = at, state

    def load(self) -> Mapping[str, Tensor] | None:
        return self.state

    def offer(self, make: Callable[[], Mapping[str, Tensor]]) -> None:
        made = make()
        self.state = made if int(made["step"]) == self.at else self.state


@pytest.mark.parametrize("validate_every", [0, 2])
def test_a_killed_training_ends_with_the_same_bits(backbone: Backbone, validate_every: int) -> None:
    learner = replace(SMALL, validate_every=validate_every)
    saved = StateOfStep(3)
    whole = fitted(backbone, learner, saved)
    resumed = fitted(backbone, learner, StateOfStep(-1, saved.state))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_loss_that_is_not_finite_is_an_error(backbone: Backbone) -> None:
    with pytest.raises(DivergedError, match=r"The loss of meta-learner 'lte' is .* Lower its lr\."):
        fitted(backbone, replace(SMALL, lr=1e30, scale=1e30))


def test_lte_is_data_free_and_tuning_free(toy: Toy) -> None:
    options = ("inversion=gaussian-noise", "learner.iterations=3", "learner.heads=2", "per_class=5")
    record = toy.record("lte", options=options)
    assert (record.status, record.tags.data_free, record.tags.tuning_free) == ("ok", "strict", True)
