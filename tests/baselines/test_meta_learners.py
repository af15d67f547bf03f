"""Meta-learners: each step equals its equation, written out by hand in float64."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.given import Given
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from freeshot.contracts.tensors import Adapter, Checkpoint, Shots, Task
from freeshot.engine import SharedLora
from freeshot.ops.prototypes import prototype_logits
from freeshot_baselines.meta_learners.evolution import Evolution, centred_ranks
from freeshot_baselines.meta_learners.lora_factors import fresh_factors, joined
from freeshot_baselines.meta_learners.lora_ml import LoraMl
from freeshot_baselines.meta_learners.maml import Anil, Maml
from freeshot_baselines.meta_learners.reptile import Reptile
from freeshot_baselines.meta_learners.task_loss import answer_loss, prototype_loss

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.conftest import Toy

    from freeshot import GradientMetaLearner
    from freeshot.engine import Backbone

SMALL: dict[str, GradientMetaLearner] = {
    learner.name: learner
    for learner in (
        Reptile(inner_steps=2, lr=0.5),
        Maml(inner_steps=2),
        Anil(inner_steps=2),
        LoraMl(inner_steps=2),
        Evolution(pairs=2),
    )
}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class LoraModel:
    """A LoRA seen as a model: features are pixels, and pixels through A and B."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        draws = rng(9)
        self.extra: dict[str, nn.Parameter] = {}
        shapes = ((1, 2, 12), (1, 6, 2))
        self.weights = [nn.Parameter(torch.randn(s, generator=draws, dtype=torch.float64) / 3) for s in shapes]
        self.base = torch.randn(6, 12, generator=draws, dtype=torch.float64)

    def embed(self, images: Tensor, kept: Tensor | None = None) -> Tensor:
        return self.embed_with(self.weights, images, kept)

    def embed_with(self, weights: Sequence[Tensor], images: Tensor, kept: Tensor | None = None) -> Tensor:
        assert kept is None
        a, b = (weight[0] for weight in weights)
        return torch.tanh(images.flatten(1) @ (self.base + b @ a).mT)

    def lora(self) -> Sequence[nn.Parameter]:
        return tuple(self.weights)

    def snapshot(self) -> Adapter:
        return Adapter({f"{index}": weight.detach().clone() for index, weight in enumerate(self.weights)})


def make_task(seed: int, *, of_lora: bool = False) -> Task:
    draws = rng(seed)

    def shots(count: int) -> Shots:
        images = torch.rand(3 * count, 3, 2, 2, generator=draws, dtype=torch.float64)
        return Shots(images, torch.arange(3).repeat_interleave(count))

    teacher = torch.randn(9, 3, generator=draws, dtype=torch.float64)
    return Task(shots(2), shots(3), 3, teacher if of_lora else None)


def pulled(learner: GradientMetaLearner, task: Task, model: Any = None) -> list[Tensor]:
    """Return what a learner leaves for its optimiser."""
    model = model or LoraModel()
    learner.compute_gradients(model, task, rng(1))
    return [weight.grad for weight in model.lora()]


def slopes(
    function: Callable[[Sequence[Tensor]], Tensor], weights: Sequence[Tensor], step: float = 1e-6
) -> list[Tensor]:
    """Differentiate a function of weights by central differences, one number after the other."""
    actual = []
    for position, weight in enumerate(weights):
        slope = torch.zeros_like(weight)
        for index in range(weight.numel()):
            ends = []
            for sign in (1, -1):
                moved = [w.detach().clone() for w in weights]
                moved[position].view(-1)[index] += sign * step
                ends.append(float(function(moved).detach()))
            slope.view(-1)[index] = (ends[0] - ends[1]) / (2 * step)
        actual.append(slope)
    return actual


def close(actual: Sequence[Tensor], expected: Sequence[Tensor], atol: float = 1e-8) -> bool:
    return all(torch.allclose(a, e, rtol=0, atol=atol) for a, e in zip(actual, expected, strict=True))


# --- losses -------------------------------------------------------------------------------------


def test_teacher_logits_replace_labels_where_they_exist() -> None:
    logits = torch.randn(9, 3, generator=rng(), dtype=torch.float64)
    with_labels, with_logits = make_task(0), make_task(0, of_lora=True)
    assert torch.equal(answer_loss(logits, with_labels), cross_entropy(logits, with_labels.query.labels))
    assert with_logits.teacher_logits is not None
    p, q = with_logits.teacher_logits.softmax(1), logits.softmax(1)
    assert float(answer_loss(logits, with_logits)) == pytest.approx(float((p * (p / q).log()).sum(1).mean()), abs=1e-12)


def test_the_loss_can_be_computed_on_parts_of_the_queries() -> None:
    model: Any = LoraModel()
    for task in (make_task(0), make_task(0, of_lora=True)):
        parts = [prototype_loss(model, task, queries=torch.arange(start, start + 3)) for start in (0, 3, 6)]
        assert float((sum(parts) / 3 - prototype_loss(model, task)).detach()) == pytest.approx(0, abs=1e-12)


# --- Reptile ------------------------------------------------------------------------------------


def test_reptile_takes_a_share_of_the_steps_of_adam_without_momentum() -> None:
    task = make_task(3, of_lora=True)
    model: Any = LoraModel()
    start = [w.detach().clone() for w in model.lora()]
    optimizer = torch.optim.Adam(model.lora(), lr=1e-2, betas=(0.0, 0.999))
    drawn = rng(1)
    order = torch.randperm(9, generator=drawn)
    for queries in (order[:5], order[5:]):
        optimizer.zero_grad()
        prototype_loss(model, task, queries=queries).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    way = [s - w.detach() for s, w in zip(start, model.lora(), strict=True)]
    actual = pulled(Reptile(inner_steps=2, inner_lr=1e-2), task)
    assert close(actual, way, 1e-12)
    stepped: Any = LoraModel()
    learner = Reptile(inner_steps=2, inner_lr=1e-2, lr=0.25)
    learner.compute_gradients(stepped, task, rng(1))
    optimizer = learner.optimizer(stepped.lora())  # type: ignore[assignment]
    optimizer.step()
    assert close([w.detach() for w in stepped.lora()], [s - 0.25 * w for s, w in zip(start, way, strict=True)], 1e-12)


def test_reptile_restores_the_weights() -> None:
    model: Any = LoraModel()
    before = model.snapshot().tensors
    pulled(Reptile(), make_task(0), model)
    assert close(list(model.snapshot().tensors.values()), list(before.values()), 0)


# --- MAML and ANIL ------------------------------------------------------------------------------


def stepped(
    model: LoraModel, start: Sequence[Tensor], task: Task, head: str, moving: str, gradients: Sequence[Any] = ()
) -> tuple[Tensor, list[Any]]:
    """Take two inner steps by hand from LoRA weights; with `gradients` given, they are those."""
    lora = [w.detach().clone() for w in start]
    features = model.embed_with(lora, task.support.images)
    if head == "zero":
        weight, bias = torch.zeros(3, 6, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    else:
        means = torch.stack([features[task.support.labels == c].mean(0) for c in range(3)])
        weight, bias = 2 * means / 6**0.5, -(means**2).sum(1) / 6**0.5
    taken = []
    for number in range(2):
        every = [w.detach().clone().requires_grad_() for w in (*lora, weight, bias)]
        logits = model.embed_with(every[:2], task.support.images) @ every[2].mT + every[3]
        gradient = torch.autograd.grad(cross_entropy(logits, task.support.labels), every)
        gradient = gradients[number] if gradients else gradient
        taken.append(gradient)
        if moving == "all":
            lora = [w - 0.1 * g for w, g in zip(lora, gradient[:2], strict=True)]
        weight, bias = weight - 0.1 * gradient[2], bias - 0.1 * gradient[3]
    return answer_loss(model.embed_with(lora, task.query.images) @ weight.mT + bias, task), taken


@pytest.mark.parametrize("head", ["prototype", "zero"])
@pytest.mark.parametrize("of_lora", [True, False])
def test_second_order_maml_differentiates_through_the_inner_steps(head: Any, of_lora: bool) -> None:
    task, model = make_task(4, of_lora=of_lora), LoraModel()
    learner = Maml(inner_steps=2, inner_lr=0.1, head=head)
    expected = slopes(lambda weights: stepped(model, weights, task, head, "all")[0], model.weights)
    assert close(pulled(learner, task), expected, 1e-7)


def test_first_order_maml_takes_the_inner_gradients_for_constants() -> None:
    task, model = make_task(4), LoraModel()
    _, taken = stepped(model, model.weights, task, "prototype", "all")
    expected = slopes(lambda weights: stepped(model, weights, task, "prototype", "all", taken)[0], model.weights)
    actual = pulled(Maml(inner_steps=2, inner_lr=0.1, order="first"), task)
    assert close(actual, expected, 1e-7)
    assert not close(actual, pulled(Maml(inner_steps=2, inner_lr=0.1), task), 1e-4)


@pytest.mark.parametrize("head", ["prototype", "zero"])
def test_anil_moves_the_head_alone_and_differentiates_through_it(head: Any) -> None:
    task, model = make_task(4), LoraModel()
    expected = slopes(lambda weights: stepped(model, weights, task, head, "head")[0], model.weights)
    assert close(pulled(Anil(inner_steps=2, inner_lr=0.1, head=head), task), expected, 1e-7)


def test_a_prototype_head_without_steps_is_the_nearest_prototype() -> None:
    task, model = make_task(4), LoraModel()
    loss = Maml(inner_steps=0).loss(model, task)
    support, query = model.embed(task.support.images), model.embed(task.query.images)
    logits = prototype_logits(query, support, task.support.labels, 3, "squared", 6**-0.5)
    assert float(loss.detach()) == pytest.approx(float(cross_entropy(logits, task.query.labels).detach()), abs=1e-12)


# --- LoRA-ML ------------------------------------------------------------------------------------


def test_loras_side_by_side_add_their_products() -> None:
    first = [torch.randn(1, 2, 4, generator=rng(1)), torch.randn(1, 3, 2, generator=rng(2))]
    second = [torch.randn(1, 1, 4, generator=rng(3)), torch.randn(1, 3, 1, generator=rng(4))]
    a, b = joined(first, second)
    assert torch.allclose(b @ a, first[1] @ first[0] + second[1] @ second[0], atol=1e-6)


def test_a_fresh_lora_changes_nothing_yet() -> None:
    model = LoraModel()
    fresh = fresh_factors(model.weights, 3, rng())
    images = torch.rand(2, 3, 2, 2, dtype=torch.float64, generator=rng(1))
    assert torch.equal(model.embed(images), model.embed_with(joined(model.weights, fresh), images))
    assert 0 < float(fresh[0].abs().max()) <= 12**-0.5


def test_lora_ml_fits_a_private_lora_and_steps_beside_it() -> None:
    task, model = make_task(5, of_lora=True), LoraModel()
    learner = LoraMl(inner_steps=2, inner_lr=0.05, inner_rank=2)
    private = [f.requires_grad_() for f in fresh_factors(model.weights, 2, rng(1))]
    optimizer = torch.optim.Adam(private, lr=0.05)
    before = prototype_loss(model, task)
    for _ in range(2):
        optimizer.zero_grad()
        shared = [w.detach() for w in model.weights]
        prototype_loss(model, task, joined(shared, private)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    def loss(weights: Sequence[Tensor]) -> Tensor:
        return prototype_loss(model, task, joined(weights, [f.detach() for f in private]))

    actual = learner.private(model, task, rng(1))
    assert close(actual, private, 1e-12)
    assert float(loss(model.weights).detach()) < float(before.detach())
    assert close(pulled(learner, task), slopes(loss, model.weights), 1e-7)


# --- evolution ----------------------------------------------------------------------------------


def test_ranks_are_centred_and_ties_share() -> None:
    assert centred_ranks(torch.tensor([3.0, 1.0, 2.0])).tolist() == [0.5, -0.5, 0.0]
    assert centred_ranks(torch.tensor([1.0, 1.0, 5.0])).tolist() == [-0.25, -0.25, 0.5]


def test_evolution_weighs_changes_by_the_ranks_of_their_losses() -> None:
    task, model = make_task(6), LoraModel()
    learner = Evolution(pairs=3, sigma=0.1)
    draws = rng(1)
    changes = [[torch.randn(w.shape, generator=draws, dtype=w.dtype) for w in model.weights] for _ in range(3)]
    tried = []
    for change in changes:
        for sign in (1, -1):
            moved = [w.detach() + 0.1 * sign * c for w, c in zip(model.weights, change, strict=True)]
            tried.append((float(prototype_loss(model, task, moved)), sign, change))
    ordered = sorted(loss for loss, _, _ in tried)
    expected = [torch.zeros_like(w) for w in model.weights]
    for loss, sign, change in tried:
        rank = ordered.index(loss) / 5 - 0.5
        expected = [e + rank * sign * c / (6 * 0.1) for e, c in zip(expected, change, strict=True)]
    assert close(pulled(learner, task), expected, 1e-12)


def test_evolution_points_along_the_gradient() -> None:
    task = make_task(6)
    actual = torch.cat([g.flatten() for g in pulled(Evolution(pairs=400, sigma=1e-3), task)])
    model: Any = LoraModel()
    prototype_loss(model, task).backward()  # type: ignore[no-untyped-call]
    gradient = torch.cat([w.grad.flatten() for w in model.lora()])
    assert float(torch.cosine_similarity(actual, gradient, dim=0)) > 0.85


class Forward(torch.autograd.Function):
    """A forward pass without a backward pass."""

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        return features.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        raise AssertionError("A gradient was computed.")


class OneWay(LoraModel):
    """A model through which no gradient may pass."""

    def embed_with(self, weights: Sequence[Tensor], images: Tensor, kept: Tensor | None = None) -> Tensor:
        assert not torch.is_grad_enabled()
        return Forward.apply(super().embed_with(weights, images, kept))  # type: ignore[no-any-return]


def test_evolution_computes_no_gradient() -> None:
    model: Any = OneWay()
    before = model.snapshot().tensors
    actual = replace(SMALL["evolution"], iterations=3, warmup=0).fit(
        model, Given([make_task(n) for n in range(3)]), rng()
    )
    assert not close(list(actual.tensors.values()), list(before.values()), 1e-6)


# --- all of them on a network -------------------------------------------------------------------


class StateOfStep(Checkpoint):
    """A checkpoint that keeps the state of one step."""

    def __init__(self, at: int, state: Mapping[str, Tensor] | None = None) -> None:
        self.at, self.state = at, state

    def load(self) -> Mapping[str, Tensor] | None:
        return self.state

    def offer(self, make: Callable[[], Mapping[str, Tensor]]) -> None:
        made = make()
        self.state = made if int(made["step"]) == self.at else self.state


def toy_task(seed: int) -> Task:
    draws = rng(seed)
    images = torch.rand(12, 3, 16, 16, generator=draws)
    kept = torch.stack([torch.randperm(16, generator=draws)[:6].sort().values for _ in range(12)])
    labels = torch.arange(2).repeat_interleave(2)
    query = torch.arange(2).repeat_interleave(4)
    return Task(Shots(images[:4], labels, kept[:4]), Shots(images[4:], query, kept[4:]), 2)


@pytest.mark.parametrize("name", SMALL)
def test_a_killed_training_ends_with_the_same_bits(backbone: Backbone, name: str) -> None:
    tasks = [toy_task(seed) for seed in range(5)]
    learner = replace(SMALL[name], iterations=5)

    def fitted(checkpoint: Checkpoint) -> Mapping[str, Tensor]:
        return learner.fit(SharedLora(backbone, 2, rng()), Given(tasks, checkpoint), rng(2)).tensors

    saved = StateOfStep(3)
    whole = fitted(saved)
    resumed = fitted(StateOfStep(-1, saved.state))
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    assert any(
        not torch.equal(whole[key], start) for key, start in SharedLora(backbone, 2, rng()).snapshot().tensors.items()
    )


@pytest.mark.parametrize("name", SMALL)
def test_bfloat16_leaves_the_lora_in_full_precision(backbone: Backbone, name: str) -> None:
    learner = replace(SMALL[name], iterations=2)
    actual = learner.fit(
        SharedLora(replace(backbone, precision="bf16"), 2, rng()), Given([toy_task(0), toy_task(1)]), rng()
    )
    assert all(tensor.dtype == torch.float32 and torch.isfinite(tensor).all() for tensor in actual.tensors.values())


def test_embedding_with_other_weights_is_that_of_the_model_with_those_weights(backbone: Backbone) -> None:
    model, other = SharedLora(backbone, 2, rng(0)), SharedLora(backbone, 2, rng(1))
    images = torch.rand(3, 3, 16, 16, generator=rng(5))
    before = copy.deepcopy(model.snapshot().tensors)
    for weight in other.lora():
        weight.data.add_(0.1)
    assert torch.equal(model.embed_with(other.lora(), images), other.embed(images))
    assert torch.equal(model.embed_with(model.lora(), images), model.embed(images))
    assert all(torch.equal(before[key], tensor) for key, tensor in model.snapshot().tensors.items())


@pytest.mark.parametrize("learner", SMALL)
def test_lora_recycle_runs_with_any_learner(toy: Toy, learner: str) -> None:
    options = (f"learner={learner}", "learner.iterations=3", "inversion=gaussian-noise", "per_class=5")
    record = toy.record("lora-recycle", suite=None, options=options)
    assert (record.status, record.tags.data_free, record.tags.tuning_free) == ("ok", "strict", True)
