"""Means that are resampled together equal those resampled alone, and agree with scipy within chance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from freeshot.stats.bootstrap import (
    RESAMPLES,
    bca_intervals,
    between,
    bootstrapped,
    flipped,
    sign_flip_shares,
)
from freeshot.stats.intervals import student_t


def skewed(episodes: int, rows: int, seed: int = 0) -> Any:
    """Draw lop-sided accuracies [e, m] in steps of 75 queries."""
    return np.round(np.random.default_rng(seed).beta(6, 1.5, (episodes, rows)) * 75) / 75


def slow_moves(values: Any, seed: int) -> Any:
    """Draw episodes one resample after the other, with the counts that the fast version draws."""
    count = len(values)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(count, np.full(count, 1 / count), 50)
    return np.array([np.repeat(values, times, axis=0).mean(axis=0) - values.mean(axis=0) for times in drawn]).T


@pytest.mark.parametrize("episodes", [3, 20, 300])
def test_a_single_product_resamples_all_rows(episodes: int) -> None:
    values = skewed(episodes, 4)
    assert np.allclose(bootstrapped(values, 7, 50), slow_moves(values, 7), atol=1e-14)


def test_differences_of_rows_are_resampled_like_the_rows() -> None:
    values = skewed(100, 3)
    pairs = [(0, 1), (2, 0)]
    difference = np.stack([values[:, i] - values[:, j] for i, j in pairs], axis=1)
    for resampled in (bootstrapped, flipped):
        assert np.allclose(between(resampled(values), pairs), resampled(difference), atol=1e-14)


def test_blocks_cover_all_resamples() -> None:
    values = skewed(30, 1)
    assert np.ptp(flipped(values)[0, -5:]) > 0
    assert np.isfinite(bootstrapped(values)).all()
    assert bootstrapped(values).shape == (1, RESAMPLES)


@pytest.mark.parametrize("level", [0.9, 0.95])
@pytest.mark.parametrize("episodes", [15, 200])
def test_intervals_equal_scipys_within_chance(episodes: int, level: float) -> None:
    from scipy.stats import bootstrap

    values = skewed(episodes, 3, seed=episodes)
    ours = bca_intervals(values, bootstrapped(values), level, "episodes")
    for column, interval in zip(values.T, ours, strict=True):
        theirs = bootstrap(
            (column,), np.mean, n_resamples=20_000, batch=1000, confidence_level=level, rng=np.random.default_rng(1)
        ).confidence_interval
        chance = 0.1 * interval.half_width
        assert (interval.low, interval.high) == pytest.approx((theirs.low, theirs.high), abs=chance)


def test_a_long_tail_shifts_the_interval_to_its_side() -> None:
    values = skewed(200, 1)
    (ours,) = bca_intervals(values, bootstrapped(values), 0.95, "episodes")
    assert ours.high + ours.low < 2 * ours.mean


def test_without_a_correction_the_interval_is_students() -> None:
    rows = np.stack([np.full(20, 0.5), np.eye(20)[0]], axis=1)
    alike, _ = bca_intervals(rows, bootstrapped(rows), 0.95, "episodes")
    assert alike == student_t(rows[:, 0])
    short = skewed(2, 1)
    assert bca_intervals(short, bootstrapped(short), 0.95, "episodes") == (student_t(short[:, 0]),)


def test_shares_of_signs_equal_scipys_within_chance() -> None:
    from scipy.stats import permutation_test

    rng = np.random.default_rng(0)
    values = rng.normal([0, 0.004, 0.01, -0.01], 0.05, (120, 4))
    ours = sign_flip_shares(values, flipped(values, resamples=40_000))
    for column, p in zip(values.T, ours, strict=True):
        theirs = permutation_test(
            (column,), np.mean, permutation_type="samples", n_resamples=40_000, rng=np.random.default_rng(1)
        ).pvalue
        assert p == pytest.approx(theirs, abs=0.02)


def test_draws_that_are_shared_cannot_be_changed() -> None:
    from freeshot.stats.bootstrap import _counts, _signs

    for draws in (_counts(5, 0, 10), _signs(5, 0, 10)):
        assert not draws.flags.writeable
