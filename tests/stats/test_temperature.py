"""`fit_temperature` returns the maximum-likelihood temperature, and 0 or infinity if there is no finite optimum."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from freeshot.stats.temperature import fit_temperature

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def slow_loss(logits: Floats, labels: Labels, temperature: float) -> float:
    losses: list[float] = []
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        largest = max(row)
        total = sum(math.exp((value - largest) / temperature) for value in row)
        losses.append(math.log(total) - (row[label] - largest) / temperature)
    return sum(losses) / len(losses)


def drawn(seed: int, temperature: float, count: int = 40, way: int = 4) -> tuple[Floats, Labels]:
    """Draw classes from the softmax of logits at a temperature."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-20, 3, (count, way))
    chance = np.exp((logits - logits.max(1, keepdims=True)) / temperature)
    labels = [rng.choice(way, p=row / row.sum()) for row in chance]
    return logits, np.array(labels, np.int64)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("temperature", [0.7, 2.0, 6.0])
def test_no_temperature_of_a_fine_grid_has_a_higher_likelihood(seed: int, temperature: float) -> None:
    logits, labels = drawn(seed, temperature)
    best = fit_temperature(logits, labels)
    losses = {t: slow_loss(logits, labels, t) for t in np.geomspace(best / 50, best * 50, 2001).tolist()}
    assert slow_loss(logits, labels, best) <= min(losses.values()) + 1e-12
    assert best == pytest.approx(min(losses, key=losses.__getitem__), rel=5e-3)


def test_the_temperature_of_many_images_is_that_of_their_distribution() -> None:
    assert fit_temperature(*drawn(0, 2.5, count=20_000)) == pytest.approx(2.5, rel=0.03)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_unit_of_the_logits_does_not_matter(scale: float) -> None:
    logits, labels = drawn(3, 2.0)
    assert fit_temperature(scale * logits, labels) == pytest.approx(scale * fit_temperature(logits, labels), rel=1e-4)


@pytest.mark.parametrize(
    ("logits", "limit"),
    [
        ([[2.0, 1.0], [0.0, 0.1]], 0.0),
        ([[1.0, 1.0], [0.0, 0.1]], 0.0),
        ([[1.0, 1.0], [1.0, 1.0]], math.inf),
        ([[0.0, 1.0], [1.0, 0.0]], math.inf),
        ([[0.0, 1.0], [0.0, 0.5]], math.inf),
        ([[1.0, 0.0], [0.9999, 0.0]], math.inf),
    ],
    ids=["all right", "a tie", "all equal", "all wrong", "worse than chance", "hardly better than chance"],
)
def test_a_degenerate_optimum_is_its_limit(logits: list[list[float]], limit: float) -> None:
    assert fit_temperature(np.array(logits), np.array([0, 1])) == limit
