"""Paired statistics agree with slow versions, with scipy, and with each other."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeshot.stats.intervals import Interval
from freeshot.stats.paired_tests import evidence, holm, pairwise, verdict, wilcoxon

if TYPE_CHECKING:
    from collections.abc import Sequence

STEPS = st.integers(-15, 15).map(lambda step: step / 75)
"""Differences of accuracies over 75 queries."""


def sample(count: int, shift: float = 0.0, seed: int = 0) -> list[float]:
    return [float(value) for value in np.random.default_rng(seed).normal(shift, 0.05, count)]


def slow_sign_flip(values: Sequence[float]) -> float:
    """Try all signs."""
    sums = [
        abs(sum(s * v for s, v in zip(signs, values, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(values))
    ]
    return sum(total >= abs(sum(values)) - 1e-12 for total in sums) / len(sums)


@settings(deadline=None)  # a bootstrap takes longer than the default deadline
@given(st.lists(STEPS, min_size=2, max_size=9))
def test_few_signs_are_flipped_exactly(values: list[float]) -> None:
    assert evidence(values).sign_flip == pytest.approx(slow_sign_flip(values))


def test_many_signs_are_flipped_as_scipy_does() -> None:
    from scipy.stats import permutation_test

    values = np.asarray(sample(80, 0.008))
    theirs = permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(1)
    ).pvalue
    assert evidence(values).sign_flip == pytest.approx(theirs, abs=0.01)


def test_equal_values_give_no_evidence() -> None:
    actual = evidence([0.0] * 20)
    assert (actual.sign_flip, actual.wilcoxon, actual.effect, actual.superiority) == (1, 1, 0, 0.5)
    assert actual.interval.low == actual.bca.high == 0


def test_a_large_difference_is_detected_by_all_tests() -> None:
    actual = evidence(sample(200, 0.05))
    assert actual.sign_flip == pytest.approx(1e-4)
    assert actual.wilcoxon < 1e-10
    assert actual.effect == pytest.approx(1, abs=0.2)
    assert 0.75 < actual.superiority < 0.95


def test_without_a_difference_p_is_uniform() -> None:
    ps = [evidence(sample(30, seed=seed)).sign_flip for seed in range(200)]
    assert 0.02 <= np.mean(np.asarray(ps) < 0.05) <= 0.09
    assert 0.4 < np.mean(ps) < 0.6


def test_the_bootstrap_interval_is_near_students() -> None:
    actual = evidence(sample(300, 0.01))
    assert actual.bca.half_width == pytest.approx(actual.interval.half_width, rel=0.05)


@settings(deadline=None)  # a bootstrap takes longer than the default deadline
@given(st.lists(STEPS, min_size=2, max_size=40))
def test_intervals_are_in_order_and_p_values_are_probabilities(values: list[float]) -> None:
    actual = evidence(values)
    for interval in (actual.interval, actual.bca):
        assert interval.low <= interval.high
        assert math.isfinite(interval.low + interval.high)
    assert 0 < actual.sign_flip <= 1
    assert 0 <= actual.wilcoxon <= 1
    assert 0 <= actual.superiority <= 1


@settings(deadline=None)  # a bootstrap takes longer than the default deadline
@given(st.lists(STEPS, min_size=2, max_size=12))
def test_the_other_row_gets_the_mirrored_verdict(values: list[float]) -> None:
    ours, theirs = evidence(values), evidence([-v for v in values])
    assert ours.sign_flip == theirs.sign_flip
    assert ours.effect == pytest.approx(-theirs.effect)
    mirrored = {"better": "worse", "worse": "better"}
    first = verdict(ours.interval)
    assert verdict(theirs.interval) == mirrored.get(first, first)


def slow_holm(ps: Sequence[float]) -> list[float]:
    """Step down, by the definition."""
    m = len(ps)
    ranked = sorted(range(m), key=lambda i: ps[i])
    return [min(1, max((m - k) * ps[ranked[k]] for k in range(ranked.index(i) + 1))) for i in range(m)]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_its_definition(ps: list[float]) -> None:
    assert holm(ps) == pytest.approx(slow_holm(ps))


def test_holm_of_a_textbook_family() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.006, 0.02, "better"),
        (0.004, 0.02, "undecided"),
        (-0.004, 0.004, "equal"),
        (-0.02, -0.006, "worse"),
        (-0.02, 0.02, "undecided"),
    ],
)
def test_a_verdict_depends_on_the_position_of_the_interval(low: float, high: float, expected: str) -> None:
    assert verdict(Interval((low + high) / 2, low, high, 0.95, "")) == expected


@pytest.mark.parametrize("count", [2, 7, 13, 14, 40, 60])
def test_wilcoxon_equals_scipys(count: int) -> None:
    from scipy import stats

    values = sample(count, 0.01)
    assert wilcoxon(values) == pytest.approx(stats.wilcoxon(values).pvalue, rel=1e-12)


@pytest.mark.parametrize("count", [6, 12, 80])
def test_wilcoxon_with_ties_and_zeros_equals_scipys(count: int) -> None:
    from scipy import stats

    values = np.random.default_rng(count).integers(-2, 5, count) / 75
    assert wilcoxon(values) == pytest.approx(stats.wilcoxon(values).pvalue, rel=1e-12)


def test_differences_in_the_last_digit_are_ties() -> None:
    assert wilcoxon([0.3 - 0.2, 0.2 - 0.1, 0.1 - 0.2]) == wilcoxon([0.1, 0.1, -0.1])
    assert evidence([0.1 + 0.2 - 0.3, 0.5, 0.5]).superiority == pytest.approx(5 / 6)


def test_noise_in_the_last_digits_breaks_no_ties_and_changes_no_bound() -> None:
    steps = np.repeat([-1, 0, 1, 2], [4, 6, 8, 2]) / 6
    second = np.linspace(0.1, 0.8, 20)
    noisy = evidence((second + steps) - second)
    clean = evidence(steps)
    assert noisy.wilcoxon == clean.wilcoxon
    assert noisy.sign_flip == clean.sign_flip
    assert (noisy.bca.low, noisy.bca.high) == pytest.approx((clean.bca.low, clean.bca.high), abs=1e-11)
    assert math.copysign(1, clean.bca.low) == 1  # it is 0, not -0


def test_many_pairs_are_compared_like_each_of_them_alone() -> None:
    rng = np.random.default_rng(0)
    for count in (8, 40, 120):
        rows = rng.integers(30, 60, (count, 4)) / 75
        pairs = list(itertools.combinations(range(4), 2))
        for (i, j), actual in zip(pairs, pairwise(rows, pairs), strict=True):
            alone = evidence(rows[:, i] - rows[:, j])
            assert (actual.interval, actual.wilcoxon, actual.effect) == (alone.interval, alone.wilcoxon, alone.effect)
            assert actual.sign_flip == alone.sign_flip
            assert (actual.bca.low, actual.bca.high) == pytest.approx((alone.bca.low, alone.bca.high), abs=1e-12)
