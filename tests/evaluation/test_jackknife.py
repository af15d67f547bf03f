"""The jackknife over images and classes equals that of obvious loops, and is right where the truth is known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from freeshot.evaluation.jackknife import (
    SamplingError,
    StandardError,
    draw_tasks,
    image_groups,
    jackknife,
    measure_sampling_error,
    spread_intervals,
)
from freeshot.stats.intervals import student_t

if TYPE_CHECKING:
    from numpy.typing import NDArray

LABELS = np.repeat(np.arange(6), [10, 12, 14, 16, 3, 20])


def drawn(count: int = 300) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return draw_tasks(LABELS, 3, 2, 4, count, np.random.default_rng(0))


def test_no_image_is_twice_in_a_task() -> None:
    rows = np.sort(np.concatenate(drawn(), axis=1), axis=1)
    assert (np.diff(rows) > 0).all()


def test_tasks_are_ordered_class_by_class() -> None:
    support, query = drawn()
    of_support, of_query = LABELS[support].reshape(-1, 3, 2), LABELS[query].reshape(-1, 3, 4)
    assert (of_support == of_support[..., :1]).all()
    assert (of_query == of_support[..., :1]).all()


def test_a_task_has_the_configured_number_of_classes() -> None:
    assert {len(set(row)) for row in LABELS[drawn()[0]].tolist()} == {3}


def test_a_class_with_too_few_images_is_never_drawn() -> None:
    assert 4 not in LABELS[drawn()[1]]


def test_all_images_of_a_class_are_equally_likely() -> None:
    _, query = drawn(6000)
    of_first = np.bincount(query[np.isin(query, np.arange(10))], minlength=10)
    assert of_first.max() < 1.2 * of_first.min()


def test_images_are_dealt_evenly() -> None:
    groups = image_groups(LABELS, 4, np.random.default_rng(0))
    for label in range(6):
        sizes = np.bincount(groups[label == LABELS], minlength=4)
        assert sizes.max() - sizes.min() <= 1


def obvious_jackknife(right, support, query, groups: int, blocks: int) -> float:  # type: ignore[no-untyped-def] # noqa: ANN001
    size, squares = len(right) // blocks, []
    moves = []
    for b in range(blocks):
        means = []
        for g in range(groups):
            left = [
                right[e, i]
                for e in range(b * size, (b + 1) * size)
                if g not in support[e]
                for i in range(query.shape[1])
                if query[e, i] != g
            ]
            means.append(float(np.mean(left)))
        moves.append([m - float(np.mean(means)) for m in means])
    for g in range(groups):
        own = [row[g] for row in moves]
        squares.append(float(np.mean(own)) ** 2 - float(np.var(own, ddof=1)) / blocks)
    return math.sqrt(max(0.0, (groups - 1) / groups * sum(squares)))


def test_the_jackknife_is_that_of_leaving_out_in_loops() -> None:
    support, query = drawn(120)
    groups = image_groups(LABELS, 5, np.random.default_rng(1))
    right = (groups[query] + LABELS[query]) % 3 > 0  # groups differ
    actual = jackknife(right, groups[support], groups[query], 5, blocks=3)
    assert actual == pytest.approx(obvious_jackknife(right, groups[support], groups[query], 5, 3), abs=1e-12)
    assert actual > 0.01


def test_images_that_make_no_difference_have_no_sampling_error() -> None:
    support, query = drawn(2000)
    groups = image_groups(LABELS, 5, np.random.default_rng(1))
    right = np.random.default_rng(2).random(query.shape) < 0.7
    assert jackknife(right, groups[support], groups[query], 5) < 0.01


def sample(rng: np.random.Generator, centres: NDArray[np.float64], images: int) -> torch.Tensor:
    noise = rng.normal(size=(len(centres), images, centres.shape[1]))
    return torch.from_numpy((centres[:, None] + noise).reshape(-1, centres.shape[1]))


def test_the_error_over_images_is_the_deviation_between_samples_of_images() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(8, 4)) * 1.2
    labels = np.repeat(np.arange(8), 30)
    errors, means = [], []
    for seed in range(30):
        features = sample(rng, centres, 30)
        error = measure_sampling_error(features, labels, 4, 1, 5, seed=seed, draws=3000)
        assert error is not None
        errors.append(error.images.size**2)
        means.append(_mean(features, *draw_tasks(labels, 4, 1, 5, 3000, rng)))
    assert np.sqrt(np.mean(errors)) == pytest.approx(np.std(means, ddof=1), rel=0.35)


def _mean(features: torch.Tensor, support: NDArray[np.int64], query: NDArray[np.int64]) -> float:
    from freeshot.evaluation.scoring import score_features

    return float(score_features(features, torch.from_numpy(support), torch.from_numpy(query), 4).right.mean())


def test_the_error_over_classes_exceeds_that_over_images() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(8), 30)
    error = measure_sampling_error(sample(rng, rng.normal(size=(8, 4)), 30), labels, 4, 1, 5, seed=0, draws=2000)
    assert error is not None
    assert error.classes is not None
    assert error.classes.size > error.images.size
    assert error.classes.freedom == 7


def test_without_a_spare_class_there_is_no_error_over_classes() -> None:
    features = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    error = measure_sampling_error(features, np.repeat(np.arange(3), 20), 3, 1, 5, seed=0, draws=500)
    assert error is not None
    assert error.classes is None


def test_with_too_few_images_there_is_no_error() -> None:
    assert measure_sampling_error(torch.zeros(12, 4), np.repeat(np.arange(3), 4), 3, 1, 5, seed=0) is None


def test_wider_intervals_add_independent_errors() -> None:
    values = np.random.default_rng(0).normal(0.5, 0.1, 400)
    plain = student_t(values)
    wide, wider = spread_intervals(
        plain, values.tolist(), SamplingError(StandardError(0.012, 10**6), StandardError(0.0, 10**6))
    )
    own = values.std(ddof=1) / 20
    assert wide.half_width == pytest.approx(1.959964 * np.hypot(own, 0.012), rel=1e-5)
    assert wider.half_width == pytest.approx(1.959964 * own, rel=1e-5)
    assert (wide.covers, wider.covers) == ("episodes and images", "episodes, images and classes")


def test_few_groups_make_an_interval_wider() -> None:
    values = np.random.default_rng(0).normal(0.5, 0.1, 400).tolist()
    few, many = (
        spread_intervals(student_t(values), values, SamplingError(StandardError(0.01, n), None))[0] for n in (4, 400)
    )
    assert few.half_width > many.half_width
