"""The prototype loss equals the textbook formula, in each variant of the paper and of its code."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from freeshot.contracts.tensors import Shots, Task
from freeshot.engine.embed_task import embed_task
from freeshot_lora_recycle.prototype import Prototype

if TYPE_CHECKING:
    from torch import Tensor

WAY, SHOT, QUERY = 3, 2, 4


class Linear:
    """A model whose features are the first pixels."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.kept: list[Tensor | None] = []

    def embed(self, images: Tensor, kept: Tensor | None = None) -> Tensor:
        self.kept.append(kept)
        return images.flatten(1)[:, :5]


MODEL: Any = Linear()


def shots(count: int, seed: int, kept: Tensor | None = None) -> Shots:
    images = torch.rand(WAY * count, 3, 2, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Shots(images, torch.arange(WAY).repeat_interleave(count), kept)


def task(teacher: Tensor | None = None) -> Task:
    return Task(shots(SHOT, 1), shots(QUERY, 2), WAY, teacher)


def teacher_logits() -> Tensor:
    return torch.randn(WAY * QUERY, WAY, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def softmax(values: list[float]) -> list[float]:
    top = max(values)
    exponentials = [math.exp(value - top) for value in values]
    return [e / sum(exponentials) for e in exponentials]


def obvious_probabilities(made: Task, distance: str, scale: float) -> list[list[float]]:
    support, query = (part.images.flatten(1)[:, :5].tolist() for part in (made.support, made.query))
    means = []
    for c in range(WAY):
        members = support[c * SHOT : (c + 1) * SHOT]
        means.append([sum(column) / SHOT for column in zip(*members, strict=True)])
    rows = []
    for features in query:
        squared = [sum((f - m) ** 2 for f, m in zip(features, mean, strict=True)) for mean in means]
        rows.append(softmax([-scale * (s if distance == "squared" else math.sqrt(s)) for s in squared]))
    return rows


def obvious_divergence(first: list[list[float]], second: list[list[float]]) -> float:
    rows = zip(first, second, strict=True)
    return sum(p * math.log(p / q) for ps, qs in rows for p, q in zip(ps, qs, strict=True)) / len(first)


@pytest.mark.parametrize("distance", ["euclidean", "squared"])
@pytest.mark.parametrize("scale", [1.0, 4.0])
@pytest.mark.parametrize("divergence", ["student-teacher", "teacher-student"])
def test_the_divergence_equals_a_slow_loop(distance: Any, scale: float, divergence: Any) -> None:
    made = task(teacher_logits())
    student = obvious_probabilities(made, distance, scale)
    teacher = [softmax(row) for row in teacher_logits().tolist()]
    pair = (student, teacher) if divergence == "student-teacher" else (teacher, student)
    loss = Prototype(distance=distance, scale=scale, divergence=divergence).loss(MODEL, made)
    assert float(loss) == pytest.approx(obvious_divergence(*pair), rel=1e-6)


@pytest.mark.parametrize("distance", ["euclidean", "squared"])
def test_without_a_teacher_it_is_the_cross_entropy_of_the_labels(distance: Any) -> None:
    made = task()
    rows = obvious_probabilities(made, distance, 1.0)
    expected = -sum(math.log(row[label]) for row, label in zip(rows, made.query.labels.tolist(), strict=True)) / len(
        rows
    )
    assert float(Prototype(distance=distance).loss(MODEL, made)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("divergence", ["student-teacher", "teacher-student"])
def test_a_student_that_agrees_with_its_teacher_has_no_loss(divergence: Any) -> None:
    agreeing = torch.tensor(obvious_probabilities(task(), "euclidean", 1.0), dtype=torch.float64).log()
    loss = Prototype(divergence=divergence).loss(MODEL, task(agreeing + 7.0))
    assert float(loss) == pytest.approx(0, abs=1e-9)


def test_the_default_is_the_papers() -> None:
    assert (Prototype().distance, Prototype().divergence, Prototype().scale) == ("euclidean", "student-teacher", 1.0)


def test_support_and_query_pass_the_network_together_with_their_masks() -> None:
    model: Any = Linear()
    masks = [torch.full((WAY * count, 2), index) for index, count in enumerate((SHOT, QUERY))]
    masked = Task(shots(SHOT, 1, masks[0]), shots(QUERY, 2, masks[1]), WAY)
    support, query = embed_task(model, masked)
    assert (len(support), len(query)) == (WAY * SHOT, WAY * QUERY)
    (kept,) = model.kept
    assert torch.equal(kept, torch.cat(masks))


def test_the_loss_does_not_depend_on_the_order_of_the_support() -> None:
    made = task(teacher_logits())
    order = torch.tensor([5, 0, 3, 1, 4, 2])
    shuffled = replace(made, support=Shots(made.support.images[order], made.support.labels[order]))
    assert float(Prototype().loss(MODEL, shuffled)) == pytest.approx(float(Prototype().loss(MODEL, made)))
