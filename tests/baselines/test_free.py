"""FREE: the generator learns to adapt, BELL keeps a share of a sequence; known bugs of the released code are absent."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests import slowly
from tests.given import Given
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from freeshot.basics.errors import ContractError, DivergedError
from freeshot.contracts.tensors import Adapter, Shots, Task
from freeshot.engine.inversion.image_generator import build_generator, fresh_generator
from freeshot.engine.inversion.teacher import BankTeacher, PoolTeachers
from freeshot_baselines.free.meta_generator import MetaGenerator
from freeshot_baselines.free.method import Bell, student_loss

if TYPE_CHECKING:
    from freeshot.contracts.pool import LoraPool
    from freeshot.engine import Backbone

SMALL = MetaGenerator(outer=40, group=2, inner=5, lr=1e-3, latent=8, width=4)
WAY, PER_CLASS = 5, 4


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def labels() -> Tensor:
    return torch.arange(WAY).repeat_interleave(PER_CLASS)


@pytest.mark.parametrize(("side", "start"), [(16, 8), (28, 7), (32, 8), (84, 21), (224, 7), (7, 7)])
def test_a_generator_draws_pictures_of_the_networks_size(side: int, start: int) -> None:
    generator = build_generator(side, 6, 4)
    assert isinstance(generator[1], nn.Unflatten)
    assert generator[1].unflattened_size[1:] == (start, start)
    pictures = generator(torch.randn(2, 6)).detach()
    assert pictures.shape == (2, 3, side, side)
    assert 0 <= float(pictures.min()) <= float(pictures.max()) <= 1


@pytest.fixture(scope="module")
def learned(backbone: Backbone, pool: LoraPool) -> dict[str, Tensor]:
    """Return a meta-generator of the toy pool."""
    return dict(SMALL.learn(PoolTeachers(backbone, pool.entries), PER_CLASS, rng()))


def loss_after_adapting(backbone: Backbone, pool: LoraPool, lora: int, start: dict[str, Tensor]) -> float:
    teacher = BankTeacher(backbone, [pool.entries[lora]])
    images = SMALL.synthesize_with(teacher, labels(), rng(lora), start)
    return float(cross_entropy(teacher.plain_logits(images), labels()))


def test_the_learned_generator_adapts_better_than_a_fresh_one(
    backbone: Backbone, pool: LoraPool, learned: dict[str, Tensor]
) -> None:
    fresh = dict(replace(SMALL, outer=0).learn(PoolTeachers(backbone, pool.entries), PER_CLASS, rng()))
    ours, theirs = (
        sum(loss_after_adapting(backbone, pool, lora, start) for lora in range(4)) / 4 for start in (learned, fresh)
    )
    assert ours < theirs - 0.1


def test_the_outer_gradient_is_the_mean_of_the_last_inner_ones(backbone: Backbone, pool: LoraPool) -> None:
    """Walk one outer step by hand, with the same random numbers: first-order MAML, Adam on the mean gradient."""
    method = replace(SMALL, outer=1)
    actual = method.learn(PoolTeachers(backbone, pool.entries), PER_CLASS, rng(3))
    draws = rng(3)
    generator = fresh_generator(16, 8, 4, draws)
    order = torch.randperm(4, generator=draws)[:2].tolist()
    total = [torch.zeros_like(weight) for weight in generator.parameters()]
    for lora in order:
        inner = copy.deepcopy(generator)
        latents = torch.randn(20, 8, generator=draws).requires_grad_()
        optimizer = torch.optim.Adam([*inner.parameters(), latents], lr=1e-3, betas=(0.5, 0.999))
        teacher = BankTeacher(backbone, [pool.entries[lora]])
        for _ in range(5):
            optimizer.zero_grad()
            cross_entropy(teacher.plain_logits(inner(latents)), labels()).backward()  # type: ignore[no-untyped-call]
            last = [weight.grad.clone() for weight in inner.parameters() if weight.grad is not None]
            optimizer.step()
        total = [t + gradient for t, gradient in zip(total, last, strict=True)]
    outer = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
    for weight, gradient in zip(generator.parameters(), total, strict=True):
        weight.grad = gradient / 2
    outer.step()
    assert all(torch.allclose(actual[name], tensor, atol=1e-6) for name, tensor in generator.state_dict().items())


def test_images_depend_on_lora_and_seed_alone(backbone: Backbone, pool: LoraPool, learned: dict[str, Tensor]) -> None:
    def images(lora: int, seed: int) -> Tensor:
        return SMALL.synthesize_with(BankTeacher(backbone, [pool.entries[lora]]), labels(), rng(seed), learned)

    assert torch.equal(images(0, 1), images(0, 1))
    assert not torch.equal(images(0, 1), images(0, 2))
    assert not torch.equal(images(0, 1), images(1, 1))


def test_a_generator_starts_from_its_stream_alone(backbone: Backbone, pool: LoraPool) -> None:
    starts = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        starts.append(fresh_generator(16, 8, 4, rng()).state_dict())
    assert all(torch.equal(tensor, starts[1][name]) for name, tensor in starts[0].items())


def test_recovering_does_not_change_the_learned_generator(
    backbone: Backbone, pool: LoraPool, learned: dict[str, Tensor]
) -> None:
    before = {name: tensor.clone() for name, tensor in learned.items()}
    SMALL.synthesize_with(BankTeacher(backbone, [pool.entries[0]]), labels(), rng(), learned)
    assert all(torch.equal(learned[name], tensor) for name, tensor in before.items())


def test_recovering_before_learning_is_an_error(backbone: Backbone, pool: LoraPool) -> None:
    teacher = BankTeacher(backbone, [pool.entries[0]])
    with pytest.raises(ContractError, match="must first learn from a pool"):
        SMALL.synthesize(teacher, labels(), rng())
    with pytest.raises(ContractError, match="was trained with other options"):
        SMALL.synthesize_with(teacher, labels(), rng(), {})


def test_a_diverging_rate_is_an_error(backbone: Backbone, pool: LoraPool) -> None:
    wild = replace(SMALL, lr=1e30)
    with pytest.raises(DivergedError, match="Lower its lr"):
        wild.learn(PoolTeachers(backbone, pool.entries), PER_CLASS, rng())


# --- BELL ---------------------------------------------------------------------------------------


class LinearModel:
    """A model whose features are pixels seen through one trainable matrix."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        start = torch.randn(6, 4, generator=rng(9), dtype=torch.float64)
        self.weight = nn.Parameter(start.clone())

    def embed(self, images: Tensor, kept: Tensor | None = None) -> Tensor:
        assert kept is None
        return images.flatten(1)[:, :6] @ self.weight

    def lora(self) -> Sequence[nn.Parameter]:
        return (self.weight,)

    def snapshot(self) -> Adapter:
        return Adapter({"weight": self.weight.detach().clone()})


def make_task(seed: int, *, of_lora: bool) -> Task:
    draws = rng(seed)

    def shots(count: int) -> Shots:
        images = torch.rand(3 * count, 3, 2, 2, generator=draws, dtype=torch.float64)
        return Shots(images, torch.arange(3).repeat_interleave(count))

    teacher = torch.randn(9, 3, generator=draws, dtype=torch.float64)
    return Task(shots(1), shots(3), 3, teacher if of_lora else None)


def fitted(bell: Bell, tasks: Sequence[Task]) -> Tensor:
    model: Any = LinearModel()
    return bell.fit(model, Given(tasks), rng()).tensors["weight"]


LORAS = [make_task(seed, of_lora=True) for seed in range(3)]
START = LinearModel().weight.detach()


def trained(tasks: Sequence[Task]) -> Tensor:
    """Take one Adam step per task, in turn."""
    model: Any = LinearModel()
    optimizer = torch.optim.Adam(model.lora(), lr=1e-2)
    for task in tasks:
        optimizer.zero_grad()
        student_loss(model, task).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return model.weight.detach()  # type: ignore[no-any-return]


@pytest.mark.parametrize("pace", [0.0, 0.25, 1.0])
def test_a_group_is_trained_in_sequence_and_a_share_of_the_change_is_kept(pace: float) -> None:
    actual = fitted(Bell(group=3, lr=1e-2, pace=pace), LORAS)
    assert torch.allclose(actual, START + pace * (trained(LORAS) - START), rtol=0, atol=1e-12)


def test_an_incomplete_group_changes_nothing() -> None:
    assert torch.equal(fitted(Bell(group=4), LORAS), START)


def test_mixed_tasks_are_replayed_one_step_each() -> None:
    mixed = [make_task(seed, of_lora=False) for seed in (5, 6)]
    model: Any = LinearModel()
    optimizer = torch.optim.Adam(model.lora(), lr=1e-2)
    for task in mixed:
        optimizer.zero_grad()
        student_loss(model, task).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert torch.allclose(fitted(Bell(lr=1e-2), mixed), model.weight, rtol=0, atol=1e-12)


def scores(model: Any, task: Task) -> Tensor:
    """Score the query by minus the distance to the class means, slowly."""
    support, query = (model.embed(shots.images).detach() for shots in (task.support, task.query))
    return slowly.nearest_mean_logits(query, support, task.support.labels, task.way)


def test_distillation_is_the_divergence_of_the_student_from_the_lora() -> None:
    model: Any = LinearModel()
    task = LORAS[0]
    assert task.teacher_logits is not None
    divergences = []
    for lora, student in zip(task.teacher_logits, scores(model, task), strict=True):
        p, q = slowly.shares(lora).tolist(), slowly.shares(student).tolist()
        divergences.append(sum(p[c] * math.log(p[c] / q[c]) for c in range(3)))
    assert float(student_loss(model, task).detach()) == pytest.approx(sum(divergences) / 9, abs=1e-9)


def test_replay_is_the_cross_entropy_of_the_nearest_class_mean() -> None:
    model: Any = LinearModel()
    mixed = make_task(5, of_lora=False)
    losses = [
        -math.log(float(slowly.shares(row)[label]))
        for row, label in zip(scores(model, mixed), mixed.query.labels.tolist(), strict=True)
    ]
    assert float(student_loss(model, mixed).detach()) == pytest.approx(sum(losses) / 9, abs=1e-9)


def test_distilling_from_an_agreeing_teacher_has_neither_loss_nor_gradient() -> None:
    """The released code's divergence lacks a logarithm and has a gradient even here."""
    from freeshot.ops.prototypes import prototype_logits

    model: Any = LinearModel()
    task = LORAS[0]
    support, query = model.embed(task.support.images), model.embed(task.query.images)
    agreed = replace(
        task, teacher_logits=prototype_logits(query, support, task.support.labels, 3, "euclidean").detach()
    )
    loss = student_loss(model, agreed)
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == pytest.approx(0, abs=1e-12)
    assert model.weight.grad.abs().max() < 1e-10


def test_a_loss_that_is_not_finite_is_an_error() -> None:
    bad = replace(LORAS[0], teacher_logits=torch.full((9, 3), torch.nan, dtype=torch.float64))
    with pytest.raises(DivergedError, match=r"The loss of meta-learner 'bell' is nan at step 0\. Lower its lr\."):
        fitted(Bell(group=1), [bad])
