"""BiDf-MKD: no gradient reaches a LoRA, answers are counted, and distillation goes on two levels."""

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


class Tilt:
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


def task(seed: int, *, of_lora: bool = True) -> Task:
    draws = rng(seed)

    def shots(count: int) -> Shots:
        images = torch.rand(3 * count, 3, 2, 2, generator=draws, dtype=torch.float64)
        return Shots(images, torch.arange(3).repeat_interleave(count))

    teacher = torch.randn(12, 3, generator=draws, dtype=torch.float64)
    return Task(shots(2), shots(4), 3, teacher if of_lora else None)


def divergence(weight: Tensor, one: Task, chosen: Tensor) -> Tensor:
    """Return Σ p log(p / p') averaged over the chosen queries, written out."""
    assert one.teacher_logits is not None
    support, query = (part.images.flatten(1)[:, :6] @ weight for part in (one.support, one.query))
    means = torch.stack([support[one.support.labels == label].mean(0) for label in range(3)])
    total = torch.zeros((), dtype=torch.float64)
    for index in chosen.tolist():
        ours = (-((query[index] - means).square().sum(1) + 1e-12).sqrt()).softmax(0)
        theirs = one.teacher_logits[index].softmax(0)
        total = total + (theirs * (theirs.log() - ours.log())).sum()
    return total / len(chosen)


def after_inner_steps(model: Any, one: Task, inner: Tensor) -> Tensor:
    """Go down the divergence on the inner queries, three steps."""
    weight: Tensor = model.weight.detach().clone()
    for _ in range(3):
        free = weight.clone().requires_grad_()
        (slope,) = torch.autograd.grad(divergence(free, one, inner), free)
        weight = weight - 0.05 * slope
    return weight


def test_the_outer_slope_is_taken_where_the_inner_steps_end() -> None:
    model: Any = Tilt()
    one = task(1)
    inner, outer = halves(one)
    weight = after_inner_steps(model, one, inner)
    free = weight.clone().requires_grad_()
    (slow,) = torch.autograd.grad(divergence(free, one, outer), free)
    loss, (actual,) = METHOD.outer(model, one)
    assert torch.allclose(actual, slow, rtol=0, atol=1e-10)
    assert torch.allclose(loss, divergence(weight, one, outer), rtol=0, atol=1e-10)
    assert torch.equal(model.weight, Tilt().weight)  # the model is where it was


def test_the_outer_level_learns_from_the_boundary_and_the_inner_one_from_all() -> None:
    model: Any = Tilt()
    one = task(33)  # student and LoRA agree on four of the six outer queries
    inner, outer = halves(one)
    weight = after_inner_steps(model, one, inner)
    near = boundary_by_loop(weight, one, outer.tolist(), most=3)  # half of six
    free = weight.clone().requires_grad_()
    (slow,) = torch.autograd.grad(divergence(free, one, torch.tensor(near)), free)
    loss, (actual,) = replace(METHOD, boundary=0.5).outer(model, one)
    assert torch.allclose(actual, slow, rtol=0, atol=1e-10)
    assert torch.allclose(loss, divergence(weight, one, torch.tensor(near)), rtol=0, atol=1e-10)


def boundary_by_loop(weight: Tensor, one: Task, queries: list[int], most: int) -> list[int]:
    """Return those queries on whose class student and LoRA agree, `most` of them at most, the furthest apart."""
    assert one.teacher_logits is not None
    support, query = (part.images.flatten(1)[:, :6] @ weight for part in (one.support, one.query))
    means = [support[one.support.labels == label].mean(0) for label in range(3)]
    apart = {}
    for position in queries:
        ours = torch.stack([-(query[position] - mean).norm() for mean in means]).softmax(0).tolist()
        theirs = one.teacher_logits[position].softmax(0).tolist()
        if ours.index(max(ours)) == theirs.index(max(theirs)):
            apart[position] = sum(abs(p - q) for p, q in zip(theirs, ours, strict=True))
    assert len(apart) > most  # otherwise how far apart they are would not matter
    return sorted(apart, key=apart.__getitem__, reverse=True)[:most]


def test_the_slope_is_applied_where_the_inner_steps_began() -> None:
    tasks = [task(1), task(2, of_lora=False)]
    slow: Any = Tilt()
    optimizer = torch.optim.Adam(slow.lora())
    for step, one in enumerate(tasks):
        _, slopes = METHOD.outer(slow, one)
        optimizer.param_groups[0]["lr"] = METHOD.rate(step)
        slow.weight.grad = slopes[0]
        optimizer.step()
    model: Any = Tilt()
    assert torch.equal(METHOD.fit(model, Given(tasks), rng()).tensors["weight"], slow.weight)


def test_queries_are_halved_class_by_class() -> None:
    inner, outer = halves(task(1))
    assert inner.tolist() == [0, 2, 4, 6, 8, 10]
    assert outer.tolist() == [1, 3, 5, 7, 9, 11]
    single = replace(task(1), query=Shots(torch.rand(3, 3, 2, 2), torch.arange(3)), teacher_logits=None)
    assert [half.tolist() for half in halves(single)] == [[0, 1, 2], [0, 1, 2]]


def test_the_boundary_is_where_both_agree_but_least_surely() -> None:
    theirs = torch.tensor([[4.0, 0.0], [0.0, 9.0], [3.0, 0.0], [0.0, 1.0]])
    ours = torch.tensor([[0.1, 0.0], [0.0, 8.0], [0.0, 3.0], [0.0, 0.9]])
    assert boundary_queries(theirs, ours, 0.25).tolist() == [0]  # the third differs most, but they disagree
    assert boundary_queries(theirs, ours, 0.5).tolist() == [0, 3]


def test_where_they_agree_on_few_the_boundary_is_those_and_where_on_none_all() -> None:
    theirs = torch.tensor([[4.0, 0.0], [0.0, 9.0], [3.0, 0.0], [0.0, 1.0]])
    assert boundary_queries(theirs, torch.tensor([[1.0, 0.0]] * 4) * 0.1, 0.9).tolist() == [0, 2]
    assert boundary_queries(theirs, -theirs, 0.25).tolist() == [0, 1, 2, 3]


def test_distilling_from_a_lora_of_one_mind_has_no_slope() -> None:
    """The released code's divergence lacks a logarithm and pulls even here."""
    model: Any = Tilt()
    one = task(1)
    support, query = model.embed(one.support.images), model.embed(one.query.images)
    agreed = replace(one, teacher_logits=prototype_logits(query, support, one.support.labels, 3, "euclidean").detach())
    assert METHOD.outer(model, agreed)[1][0].abs().max() < 1e-10


def test_what_cannot_be_is_told() -> None:
    model: Any = Tilt()
    with pytest.raises(OptionError, match=r"0 excluded, but is 0\.0"):
        replace(METHOD, boundary=0.0)
    bad = replace(task(1), teacher_logits=torch.full((12, 3), torch.nan, dtype=torch.float64))
    with pytest.raises(DivergedError, match=r"The gradient of '.*' is not finite\."):
        METHOD.fit(model, Given([bad]), rng())


# --- in the toy world ---------------------------------------------------------------------------


def test_answers_are_counted(toy: Toy) -> None:
    record = toy.record("bidf-mkd", suite=None, options=SMALL)
    assert (record.status, record.tags.data_free, record.tags.tuning_free) == ("ok", "strict", True), record.reason
    facts = next(stage.facts for stage in record.stages if stage.stage == "inversion")
    images = 5 * 5
    assert facts["queries"] == 4 * (3 * images * (2 + 1) + 2 * images)  # in three steps; then whole and mirrored


def test_answers_of_an_earlier_run_are_counted_too(toy: Toy) -> None:
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
def test_what_needs_a_look_into_loras_is_refused(toy: Toy, option: str, reason: str) -> None:
    extra = ("inversion.prior=none",) if option.endswith("lora-inversion") else ()
    options = (option, *extra, "per_class=5") if option.startswith("inversion") else (*SMALL, option)
    record = toy.record("bidf-mkd", suite=None, options=options)
    assert record.status == "failed"
    assert reason in record.reason
