"""BiDf-MKD: no gradient reaches a LoRA, queries are counted, and distillation has two levels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.given import Given
from torch import Tensor, nn

from freeshot.basics.errors import DivergedError, OptionError
from freeshot.contracts.tensors import Adapter, Shots, Task
from freeshot.ops.prototypes import prototype_logits
from freeshot_baselines.bidf_mkd import TwoLevelDistillation, boundary_queries, halves

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conftest import Toy

METHOD = TwoLevelDistillation(iterations=2, lr=1e-2, cycle=0, warmup=0, inner_steps=3, inner_lr=0.05, boundary=1.0)
SMALL = ("per_class=5", "inversion.iterations=3", "inversion.directions=2", "learner.iterations=3", "learner.warmup=1")


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class LinearModel:
    """A model whose features are pixels seen through one trainable matrix."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.weight = nn.Parameter(torch.randn(6, 4, generator=rng(9), dtype=torch.float64))

    def embed(self, images: Tensor, kept: Tensor | None = None) -> Tensor:
        return images.flatten(1)[:, :6] @ self.weight

    def lora(self) -> Sequence[nn.Parameter]:
        return (self.weight,)

    def snapshot(self) -> Adapter:
        return Adapter({"weight": self.weight.detach().clone()})


def make_task(seed: int, *, of_lora: bool = True) -> Task:
    draws = rng(seed)

    def shots(count: int) -> Shots:
        images = torch.rand(3 * count, 3, 2, 2, generator=draws, dtype=torch.float64)
        return Shots(images, torch.arange(3).repeat_interleave(count))

    teacher = torch.randn(12, 3, generator=draws, dtype=torch.float64)
    return Task(shots(2), shots(4), 3, teacher if of_lora else None)


def divergence(weight: Tensor, task: Task, chosen: Tensor) -> Tensor:
    """Return Σ p log(p / p') averaged over the chosen queries, written out."""
    assert task.teacher_logits is not None
    support, query = (part.images.flatten(1)[:, :6] @ weight for part in (task.support, task.query))
    means = torch.stack([support[task.support.labels == label].mean(0) for label in range(3)])
    total = torch.zeros((), dtype=torch.float64)
    for index in chosen.tolist():
        ours = (-((query[index] - means).square().sum(1) + 1e-12).sqrt()).softmax(0)
        theirs = task.teacher_logits[index].softmax(0)
        total = total + (theirs * (theirs.log() - ours.log())).sum()
    return total / len(chosen)


def after_inner_steps(model: Any, task: Task, inner: Tensor) -> Tensor:
    """Go down the divergence on the inner queries, three steps."""
    weight: Tensor = model.weight.detach().clone()
    for _ in range(3):
        free = weight.clone().requires_grad_()
        (slope,) = torch.autograd.grad(divergence(free, task, inner), free)
        weight = weight - 0.05 * slope
    return weight


def test_the_outer_slope_is_taken_where_the_inner_steps_end() -> None:
    model: Any = LinearModel()
    task = make_task(1)
    inner, outer = halves(task)
    weight = after_inner_steps(model, task, inner)
    free = weight.clone().requires_grad_()
    (slow,) = torch.autograd.grad(divergence(free, task, outer), free)
    loss, (actual,) = METHOD.outer(model, task)
    assert torch.allclose(actual, slow, rtol=0, atol=1e-10)
    assert torch.allclose(loss, divergence(weight, task, outer), rtol=0, atol=1e-10)
    assert torch.equal(model.weight, LinearModel().weight)  # the model is unchanged


def test_the_outer_level_learns_from_the_boundary_and_the_inner_one_from_all() -> None:
    model: Any = LinearModel()
    task = make_task(33)  # student and LoRA agree on four of the six outer queries
    inner, outer = halves(task)
    weight = after_inner_steps(model, task, inner)
    near = boundary_by_loop(weight, task, outer.tolist(), most=3)  # half of six
    free = weight.clone().requires_grad_()
    (slow,) = torch.autograd.grad(divergence(free, task, torch.tensor(near)), free)
    loss, (actual,) = replace(METHOD, boundary=0.5).outer(model, task)
    assert torch.allclose(actual, slow, rtol=0, atol=1e-10)
    assert torch.allclose(loss, divergence(weight, task, torch.tensor(near)), rtol=0, atol=1e-10)


def boundary_by_loop(weight: Tensor, task: Task, queries: list[int], most: int) -> list[int]:
    """Return those queries on whose class student and LoRA agree, `most` of them at most, the furthest apart."""
    assert task.teacher_logits is not None
    support, query = (part.images.flatten(1)[:, :6] @ weight for part in (task.support, task.query))
    means = [support[task.support.labels == label].mean(0) for label in range(3)]
    apart = {}
    for position in queries:
        ours = torch.stack([-(query[position] - mean).norm() for mean in means]).softmax(0).tolist()
        theirs = task.teacher_logits[position].softmax(0).tolist()
        if ours.index(max(ours)) == theirs.index(max(theirs)):
            apart[position] = sum(abs(p - q) for p, q in zip(theirs, ours, strict=True))
    assert len(apart) > most  # otherwise how far apart they are would not matter
    return sorted(apart, key=apart.__getitem__, reverse=True)[:most]


def test_the_slope_is_applied_where_the_inner_steps_began() -> None:
    tasks = [make_task(1), make_task(2, of_lora=False)]
    slow: Any = LinearModel()
    optimizer = torch.optim.Adam(slow.lora())
    for step, task in enumerate(tasks):
        _, slopes = METHOD.outer(slow, task)
        optimizer.param_groups[0]["lr"] = METHOD.rate(step)
        slow.weight.grad = slopes[0]
        optimizer.step()
    model: Any = LinearModel()
    assert torch.equal(METHOD.fit(model, Given(tasks), rng()).tensors["weight"], slow.weight)


def test_queries_are_halved_class_by_class() -> None:
    inner, outer = halves(make_task(1))
    assert inner.tolist() == [0, 2, 4, 6, 8, 10]
    assert outer.tolist() == [1, 3, 5, 7, 9, 11]
    single = replace(make_task(1), query=Shots(torch.rand(3, 3, 2, 2), torch.arange(3)), teacher_logits=None)
    assert [half.tolist() for half in halves(single)] == [[0, 1, 2], [0, 1, 2]]


def test_the_boundary_is_where_both_agree_with_the_least_confidence() -> None:
    theirs = torch.tensor([[4.0, 0.0], [0.0, 9.0], [3.0, 0.0], [0.0, 1.0]])
    ours = torch.tensor([[0.1, 0.0], [0.0, 8.0], [0.0, 3.0], [0.0, 0.9]])
    assert boundary_queries(theirs, ours, 0.25).tolist() == [0]  # the third differs most, but they disagree
    assert boundary_queries(theirs, ours, 0.5).tolist() == [0, 3]


def test_the_boundary_is_all_agreed_queries_if_they_are_few_and_all_queries_if_none() -> None:
    theirs = torch.tensor([[4.0, 0.0], [0.0, 9.0], [3.0, 0.0], [0.0, 1.0]])
    assert boundary_queries(theirs, torch.tensor([[1.0, 0.0]] * 4) * 0.1, 0.9).tolist() == [0, 2]
    assert boundary_queries(theirs, -theirs, 0.25).tolist() == [0, 1, 2, 3]


def test_distilling_from_an_agreeing_lora_has_no_gradient() -> None:
    """The released code's divergence lacks a logarithm and has a gradient even here."""
    model: Any = LinearModel()
    task = make_task(1)
    support, query = model.embed(task.support.images), model.embed(task.query.images)
    agreed = replace(
        task, teacher_logits=prototype_logits(query, support, task.support.labels, 3, "euclidean").detach()
    )
    assert METHOD.outer(model, agreed)[1][0].abs().max() < 1e-10


def test_an_empty_boundary_and_a_diverging_gradient_are_errors() -> None:
    model: Any = LinearModel()
    with pytest.raises(OptionError, match=r"0 excluded, but is 0\.0"):
        replace(METHOD, boundary=0.0)
    bad = replace(make_task(1), teacher_logits=torch.full((12, 3), torch.nan, dtype=torch.float64))
    with pytest.raises(DivergedError, match=r"The gradient of '.*' is not finite\."):
        METHOD.fit(model, Given([bad]), rng())


# --- in the toy world ---------------------------------------------------------------------------


def test_queries_are_counted(toy: Toy) -> None:
    record = toy.record("bidf-mkd", suite=None, options=SMALL)
    assert (record.status, record.tags.data_free, record.tags.tuning_free) == ("ok", "strict", True), record.reason
    facts = next(stage.facts for stage in record.stages if stage.stage == "inversion")
    images = 5 * 5
    assert facts["queries"] == 4 * (3 * images * (2 + 1) + 2 * images)  # in three steps; then whole and mirrored


def test_queries_of_an_earlier_run_are_counted_too(toy: Toy) -> None:
    first, second = (toy.record("bidf-mkd", suite=None, options=(*SMALL, f"learner.lr={lr}")) for lr in (1e-3, 2e-3))
    counts = [next(s for s in record.stages if s.stage == "inversion") for record in (first, second)]
    assert [stage.cached for stage in counts] == [False, True]
    assert counts[0].facts["queries"] == counts[1].facts["queries"]


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("inversion=lora-inversion", "A LoRA behind a service returns no gradients"),
        ("inversion=cmi", "returns logits only"),
        ("inversion=meta-generator", "needs gradients"),
        ("strategy=cls-attention", "selects by attention"),
    ],
)
def test_components_that_need_more_than_logits_are_refused(toy: Toy, option: str, reason: str) -> None:
    extra = ("inversion.prior=none",) if option.endswith("lora-inversion") else ()
    options = (option, *extra, "per_class=5") if option.startswith("inversion") else (*SMALL, option)
    record = toy.record("bidf-mkd", suite=None, options=options)
    assert record.status == "failed"
    assert reason in record.reason
