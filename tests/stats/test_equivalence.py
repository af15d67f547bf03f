"""Equivalence is shown by two one-sided tests, here compared with scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from freeshot.stats.equivalence import equivalence

SHARES = st.integers(0, 75).map(lambda right: right / 75)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(SHARES, SHARES), min_size=3, max_size=40), st.floats(0.001, 0.2))
def test_both_p_values_equal_those_of_scipys_one_sided_tests(pairs: list[tuple[float, float]], within: float) -> None:
    first, second = ([pair[i] for pair in pairs] for i in (0, 1))
    differences = np.subtract(first, second)
    if np.ptp(differences) < 1e-9:
        return  # t is undefined without a spread
    actual = equivalence(first, second, within)
    assert actual.p_low == pytest.approx(ttest_1samp(differences, -within, alternative="greater").pvalue, abs=1e-9)
    assert actual.p_high == pytest.approx(ttest_1samp(differences, within, alternative="less").pvalue, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(SHARES, SHARES), min_size=2, max_size=40), st.floats(0.001, 0.2))
def test_equivalent_means_that_the_interval_lies_within(pairs: list[tuple[float, float]], within: float) -> None:
    first, second = ([pair[i] for pair in pairs] for i in (0, 1))
    actual = equivalence(first, second, within)
    if actual.agreement == "equivalent":
        assert -within <= actual.interval.low <= actual.interval.high <= within
    swapped = equivalence(second, first, within)
    assert swapped.agreement == actual.agreement
    assert swapped.p_low == pytest.approx(actual.p_high, abs=1e-12)


BASE = [0.4, 0.6, 0.5, 0.7] * 50


@pytest.mark.parametrize(
    ("second", "agreement"),
    [
        (BASE, "the same bits"),
        ([a + 0.001 * (-1) ** i for i, a in enumerate(BASE)], "equivalent"),
        ([a + 0.001 for a in BASE], "equivalent"),
        ([a + 0.05 for a in BASE], "different"),
        ([a + 0.05 + 0.01 * (-1) ** i for i, a in enumerate(BASE)], "different"),
        ([a + 0.1 * (-1) ** (i // 2) for i, a in enumerate(BASE)], "not shown"),
    ],
)
def test_the_four_verdicts(second: list[float], agreement: str) -> None:
    assert equivalence(BASE, second, 0.005).agreement == agreement


def test_a_single_episode_shows_nothing_unless_it_is_the_same() -> None:
    assert equivalence([0.5], [0.6], 0.005).agreement == "not shown"
    assert equivalence([0.5], [0.5], 0.005).agreement == "the same bits"


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="equally many"):
        equivalence([0.5], [0.5, 0.6], 0.005)
