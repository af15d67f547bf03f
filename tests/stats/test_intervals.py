"""Intervals agree with the textbook."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeshot.stats.intervals import Interval, binomial, paired_difference, student_t, worst_tenth

SAMPLES = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("values", [[0.2, 0.4], [0.1, 0.9, 0.5, 0.3], [i * i / 7 for i in range(600)]])
def test_the_interval_equals_scipys(values: list[float], level: float) -> None:
    from scipy import stats

    mean = sum(values) / len(values)
    low, high = stats.t.interval(level, len(values) - 1, loc=mean, scale=stats.sem(values))
    interval = student_t(values, level)
    assert (interval.mean, interval.low, interval.high) == pytest.approx((mean, low, high), rel=1e-12)
    assert interval.half_width == pytest.approx((high - low) / 2, rel=1e-12)
    assert (interval.level, interval.covers) == (level, "episodes")


@pytest.mark.parametrize("level", [0.9, 0.95])
@pytest.mark.parametrize("trials", [1, 2, 15, 400])
def test_the_interval_of_a_proportion_equals_scipys_exact(trials: int, level: float) -> None:
    from scipy.stats import binomtest

    for successes in {0, 1, trials // 3, trials - 1, trials}:
        interval = binomial(successes, trials, level)
        exact = binomtest(successes, trials).proportion_ci(level, method="exact")
        assert (interval.low, interval.high) == pytest.approx((exact.low, exact.high), abs=1e-10)
        assert (interval.mean, interval.level, interval.covers) == (successes / trials, level, "images")


@given(SAMPLES)
def test_an_interval_contains_its_mean(values: list[float]) -> None:
    interval = student_t(values)
    assert interval.low <= interval.mean <= interval.high


@given(SAMPLES, st.randoms(use_true_random=False))
def test_the_order_of_values_does_not_matter(values: list[float], shuffler: object) -> None:
    mixed = list(values)
    shuffler.shuffle(mixed)  # type: ignore[attr-defined]
    first, second = student_t(values), student_t(mixed)
    scale = max(map(abs, values)) + 1e-300
    assert math.isclose(first.mean, second.mean, abs_tol=1e-12 * scale)
    assert math.isclose(first.half_width, second.half_width, rel_tol=1e-6, abs_tol=1e-9 * scale)


@given(st.floats(0, 1), st.integers(2, 700))
def test_the_interval_of_equal_accuracies_stays_in_their_range(value: float, count: int) -> None:
    interval = student_t([value] * count)
    assert 0 <= interval.mean <= 1
    assert interval.half_width < 1e-12


def test_a_single_value_is_its_own_interval() -> None:
    assert student_t([0.3]) == Interval(0.3, 0.3, 0.3, 0.95, "episodes")


@pytest.mark.parametrize("values", [[], [0.1, math.nan], [math.inf]])
def test_no_values_or_infinite_values_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="needs at least one value, and all values must be finite"):
        student_t(values)


def test_a_paired_difference_is_the_interval_of_the_differences() -> None:
    assert paired_difference([0.5, 0.75, 1.0], [0.25, 0.75, 0.5]) == student_t(
        [0.25, 0, 0.5], covers="episodes, paired"
    )


def test_pairing_detects_a_difference_that_two_wide_intervals_hide() -> None:
    second = [0.1, 0.5, 0.9, 0.3]
    first = [v + 0.05 + noise for v, noise in zip(second, [0.001, -0.001, 0.002, -0.002], strict=True)]
    assert student_t(first).low < student_t(second).high
    assert paired_difference(first, second).excludes_zero


def test_unpaired_values_are_refused() -> None:
    with pytest.raises(ValueError, match="must be equally many, but 2 and 1 were given"):
        paired_difference([0.1, 0.2], [0.1])


@pytest.mark.parametrize(("low", "high", "excludes"), [(0.1, 0.2, True), (-0.2, -0.1, True), (-0.1, 0.1, False)])
def test_whether_an_interval_excludes_zero(low: float, high: float, excludes: bool) -> None:
    assert Interval((low + high) / 2, low, high, 0.95, "episodes").excludes_zero is excludes


@given(SAMPLES)
def test_the_worst_tenth_is_the_mean_of_the_lowest(values: list[float]) -> None:
    lowest = sorted(values)[: max(1, len(values) // 10)]
    assert worst_tenth(values) == pytest.approx(sum(lowest) / len(lowest), abs=1e-9)
    assert worst_tenth(values) <= student_t(values).mean + 1e-6


def test_the_worst_tenth_of_no_values_is_refused() -> None:
    with pytest.raises(ValueError, match="needs at least one value"):
        worst_tenth([])
