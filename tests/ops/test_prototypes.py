"""The prototype head equals its slow and obvious version."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from freeshot.ops.prototypes import Distance, class_means, leave_one_out, prototype_logits

WAY = 3


def features(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slow_means(support: Tensor, labels: Tensor) -> list[list[float]]:
    rows: list[list[float]] = []
    for c in range(WAY):
        mine = [support[i].tolist() for i in range(len(labels)) if int(labels[i]) == c]
        rows.append([sum(column) / len(mine) for column in zip(*mine, strict=True)])
    return rows


LABELS = torch.tensor([2, 0, 1, 1, 0, 2, 0])


def test_class_means_are_means_over_each_class() -> None:
    support = features(7, 4)
    assert class_means(support, LABELS, WAY).tolist() == [
        pytest.approx(r, abs=1e-14) for r in slow_means(support, LABELS)
    ]


@pytest.mark.parametrize("distance", ["squared", "euclidean"])
@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_logits_are_minus_the_scaled_distance_to_each_mean(distance: Distance, scale: float) -> None:
    support, query = features(7, 4), features(5, 4, seed=1)
    logits = prototype_logits(query, support, LABELS, WAY, distance, scale)
    for q, row in enumerate(query.tolist()):
        for c, mean in enumerate(slow_means(support, LABELS)):
            squared = sum((a - b) ** 2 for a, b in zip(row, mean, strict=True))
            expected = -scale * (squared if distance == "squared" else squared**0.5)
            assert logits[q, c].item() == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize("distance", ["squared", "euclidean"])
def test_a_batch_of_tasks_equals_task_by_task(distance: Distance) -> None:
    support, query = features(6, 7, 4), features(6, 5, 4, seed=1)
    labels = torch.stack([LABELS[torch.randperm(7, generator=torch.Generator().manual_seed(i))] for i in range(6)])
    together = prototype_logits(query, support, labels, WAY, distance)
    for i in range(6):
        assert torch.allclose(together[i], prototype_logits(query[i], support[i], labels[i], WAY, distance), atol=1e-12)


def test_both_distances_choose_the_same_class() -> None:
    support, query = features(7, 4), features(50, 4, seed=1)
    squared, euclidean = (prototype_logits(query, support, LABELS, WAY, d) for d in ("squared", "euclidean"))
    assert torch.equal(squared.argmax(1), euclidean.argmax(1))


@pytest.mark.parametrize("distance", ["squared", "euclidean"])
def test_the_gradient_is_finite_where_a_query_lies_on_its_mean(distance: Distance) -> None:
    support = features(3, 4).requires_grad_()
    logits = prototype_logits(support, support, torch.arange(3), WAY, distance)
    (gradient,) = torch.autograd.grad(logits.log_softmax(1).diagonal().sum(), support)
    assert torch.isfinite(gradient).all()


def test_leaving_an_image_out_moves_the_mean_of_its_class_only() -> None:
    labels = torch.tensor([2, 0, 1, 1, 0, 0])  # the first image is alone in its class
    support = features(6, 4)
    logits, kept = leave_one_out(prototype_logits(support, support, labels, WAY, "euclidean"), labels)
    assert kept.tolist() == labels[1:].tolist()
    for row, i in zip(logits, range(1, 6), strict=True):
        others = [j for j in range(6) if j != i]
        slow = prototype_logits(support[i : i + 1], support[others], labels[others], WAY, "euclidean")
        assert row.tolist() == pytest.approx(slow[0].tolist(), abs=1e-10)


def test_without_a_class_of_two_images_there_is_nothing_to_leave_out() -> None:
    logits, kept = leave_one_out(-features(3, WAY).abs(), torch.arange(3))
    assert (logits.shape, kept.shape) == ((0, WAY), (0,))
