"""SoRA's gates on the shared LoRA: trained as B·diag(g)·A, shrunk after each step and merged into B at the end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from tests.given import Given

from freeshot.contracts.tensors import Shots, Task
from freeshot.engine import SharedLora, factors_of
from freeshot_baselines.sora.gates import GatedModel, ProximalAdam
from freeshot_baselines.sora.method import Sora

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.conftest import Toy
    from torch import Tensor

    from freeshot.engine import Backbone

from freeshot.contracts.tensors import Checkpoint


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def toy_task(seed: int) -> Task:
    images = torch.rand(12, 3, 16, 16, generator=rng(seed))
    labels, query = torch.arange(2).repeat_interleave(2), torch.arange(2).repeat_interleave(4)
    return Task(Shots(images[:4], labels), Shots(images[4:], query), 2)


class StateOfStep(Checkpoint):
    """A checkpoint that keeps the state of one step."""

    def __init__(self, at: int, state: Mapping[str, Tensor] | None = None) -> None:
        self.at, self.state = at, state

    def load(self) -> Mapping[str, Tensor] | None:
        return self.state

    def offer(self, make: Callable[[], Mapping[str, Tensor]]) -> None:
        made = make()
        self.state = made if int(made["step"]) == self.at else self.state


TASKS = [toy_task(seed) for seed in range(5)]
SMALL = Sora(iterations=5, warmup=0, lr=0.1, penalty=2.0)


def test_the_proximal_step_follows_that_of_adam(backbone: Backbone) -> None:
    weights = [torch.nn.Parameter(torch.tensor(values)) for values in ([1.0, -2.0], [0.5, -0.3, 0.05])]
    plain = [torch.nn.Parameter(weight.detach().clone()) for weight in weights]
    ours, adam = ProximalAdam(weights, weights[1:], 0.1, 2.0), torch.optim.Adam(plain, lr=0.1)
    for optimizer, group in ((ours, weights), (adam, plain)):
        for weight in group:
            weight.grad = torch.ones_like(weight)
        optimizer.step()
    assert torch.equal(weights[0], plain[0])
    for actual, stepped in zip(weights[1].tolist(), plain[1].tolist(), strict=True):
        shrunk = abs(stepped) - 0.2
        assert actual == pytest.approx(max(shrunk, 0) * (1 if stepped > 0 else -1), abs=1e-6)


def test_a_gated_model_is_the_lora_with_its_gates_in_b(backbone: Backbone) -> None:
    inner = SharedLora(backbone, 3, rng())
    for weight in inner.lora():
        weight.data.add_(0.05 * torch.randn(weight.shape, generator=rng(1)))
    model = GatedModel(inner, rng(2))
    model.gates[0].data[0, 1] = 0
    images = torch.rand(2, 3, 16, 16, generator=rng(3))
    half = len(inner.lora()) // 2
    gated: list[Tensor] = [*inner.lora()[:half]]
    gated += [b @ torch.diag(g[0])[None] for b, g in zip(inner.lora()[half:], model.gates, strict=True)]
    assert torch.allclose(model.embed(images), inner.embed_with(gated, images), atol=1e-5)
    factors = list(factors_of(model.snapshot()).values())
    assert all(torch.allclose(b, w[0].detach()) for (_, b), w in zip(factors, gated[half:], strict=True))
    assert model.snapshot().facts["open_ranks"] == 3 * half - 1


def fitted(backbone: Backbone, learner: Sora, checkpoint: Checkpoint | None = None) -> tuple[Mapping[str, Tensor], int]:
    adapter = learner.fit(SharedLora(backbone, 4, rng()), Given(TASKS, checkpoint), rng(2))
    return adapter.tensors, adapter.facts["open_ranks"]


def test_a_stronger_penalty_closes_more(backbone: Backbone) -> None:
    weak, strong = (fitted(backbone, replace(SMALL, penalty=penalty))[1] for penalty in (0.0, 2.0))
    assert weak == 4 * 8
    assert 0 < strong < weak


def test_a_killed_training_ends_with_the_same_bits(backbone: Backbone) -> None:
    saved = StateOfStep(3)
    whole, _ = fitted(backbone, SMALL, saved)
    resumed, _ = fitted(backbone, SMALL, StateOfStep(-1, saved.state))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_sora_is_data_free_and_tuning_free(toy: Toy) -> None:
    options = ("inversion=gaussian-noise", "learner.iterations=3", "per_class=5")
    record = toy.record("sora", options=options)
    assert (record.status, record.tags.data_free, record.tags.tuning_free) == ("ok", "strict", True)
    (learning,) = (stage for stage in record.stages if stage.stage == "meta-learning")
    assert learning.facts["open_ranks"] > 0
