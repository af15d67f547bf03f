"""Intervals over seeds and episodes agree with a slow version, with their limits, and with simulated truth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeshot.stats.crossed_effects import crossed, crossed_differences
from freeshot.stats.intervals import student_t

STEPS = st.integers(0, 75).map(lambda step: step / 75)


@st.composite
def tables(draw: st.DrawFn, least: int = 2) -> list[list[float]]:
    seeds, episodes = draw(st.integers(least, 4)), draw(st.integers(2, 9))
    return [draw(st.lists(STEPS, min_size=episodes, max_size=episodes)) for _ in range(seeds)]


def simulated(rng: np.random.Generator, seeds: int, episodes: int, of: tuple[float, float, float]) -> Any:
    """Draw values [s, e] around 0 whose seeds, episodes and rest have these standard deviations."""
    return (
        of[0] * rng.normal(size=(seeds, 1))
        + of[1] * rng.normal(size=(1, episodes))
        + of[2] * rng.normal(size=(seeds, episodes))
    )


def slow_half_width(table: list[list[float]]) -> float:
    """Follow the textbook term by term, in plain Python."""
    from scipy.stats import t

    s, e = len(table), len(table[0])
    mean = sum(map(sum, table)) / (s * e)
    rows = [sum(row) / e for row in table]
    columns = [sum(row[k] for row in table) / s for k in range(e)]
    ms_seed = e * sum((row - mean) ** 2 for row in rows) / (s - 1)
    ms_episode = s * sum((column - mean) ** 2 for column in columns) / (e - 1)
    total = sum((table[i][k] - rows[i] - columns[k] + mean) ** 2 for i in range(s) for k in range(e))
    ms_rest = total / ((s - 1) * (e - 1))
    var_seed, var_episode = max(0, (ms_seed - ms_rest) / e), max(0, (ms_episode - ms_rest) / s)
    variance = var_seed / s + var_episode / e + ms_rest / (s * e)
    parts = ms_seed**2 / (s - 1) + ms_episode**2 / (e - 1) + ms_rest**2 / ((s - 1) * (e - 1))
    freedom = max((variance * s * e) ** 2 / parts, min(s, e) - 1)
    return float(t.ppf(0.975, freedom)) * math.sqrt(variance)


@settings(deadline=None)  # the first call imports scipy.stats
@given(tables())
def test_the_interval_equals_the_textbooks(table: list[list[float]]) -> None:
    if np.ptp(table) == 0:
        return
    actual = crossed(table)
    assert actual.mean == pytest.approx(float(np.mean(table)))
    assert actual.half_width == pytest.approx(slow_half_width(table), rel=1e-6, abs=1e-12)
    assert actual.covers == "episodes and training seeds"


@given(tables(least=1))
def test_the_order_of_seeds_and_episodes_does_not_matter(table: list[list[float]]) -> None:
    turned = [row[::-1] for row in table[::-1]]
    assert crossed(turned).half_width == pytest.approx(crossed(table).half_width, rel=1e-6, abs=1e-9)


@settings(deadline=None)
@given(st.data())
def test_differences_of_many_tables_are_those_of_each_pair(data: st.DataObject) -> None:
    count, seeds, episodes = (data.draw(st.integers(2, most)) for most in (4, 4, 9))
    table = st.lists(st.lists(STEPS, min_size=episodes, max_size=episodes), min_size=seeds, max_size=seeds)
    many = np.array(data.draw(st.lists(table, min_size=count, max_size=count)))
    many[-1] = many[0]  # rows may be the same
    pairs = [(i, j) for i in range(count) for j in range(count)]
    for (i, j), actual in zip(pairs, crossed_differences(many, pairs), strict=True):
        expected = crossed(many[i] - many[j])
        assert actual.mean == pytest.approx(expected.mean, abs=1e-12)
        assert actual.half_width == pytest.approx(expected.half_width, rel=1e-6, abs=1e-7)


def test_the_difference_of_equal_rows_is_a_point() -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 76, (2, 3, 600)) / 75
    rows[1] = rows[0]
    assert crossed_differences(rows, [(0, 1)])[0].half_width == 0
    rows[1, 0, 0] += 1 / 75  # one query of 135,000
    assert crossed_differences(rows, [(1, 0)])[0].half_width == pytest.approx(crossed(rows[1] - rows[0]).half_width)


def test_with_one_seed_the_interval_is_students_over_episodes() -> None:
    assert crossed([[0.1, 0.5, 0.9]]) == student_t([0.1, 0.5, 0.9])
    assert crossed([[0.1, 0.5, 0.9]]).covers == "episodes"


def test_with_one_episode_the_interval_is_students_over_seeds() -> None:
    assert crossed([[0.1], [0.5], [0.9]]) == student_t([0.1, 0.5, 0.9], covers="training seeds")


def test_seeds_that_are_copies_add_nothing_to_the_episodes() -> None:
    row = np.random.default_rng(0).uniform(size=200)
    assert crossed(np.tile(row, (3, 1))).half_width == pytest.approx(student_t(row).half_width, rel=1e-9)


def test_episodes_that_are_copies_add_nothing_to_the_seeds() -> None:
    column = np.random.default_rng(0).uniform(size=5)
    assert crossed(np.tile(column[:, None], 100)).half_width == pytest.approx(student_t(column).half_width, rel=1e-9)


def test_the_interval_of_constant_values_is_a_point() -> None:
    assert crossed(np.full((3, 20), 0.5)).half_width == 0


@pytest.mark.parametrize("values", [[], [[]], [0.1, 0.2], [[0.1, math.nan]]])
def test_values_that_are_not_a_table_are_refused(values: Any) -> None:
    with pytest.raises(ValueError, match=r"must be finite and of shape \[seeds, episodes\]"):
        crossed(values)


@pytest.mark.parametrize(
    ("seeds", "of"),
    [(3, (0.0, 1, 1)), (3, (0.1, 1, 1)), (5, (0.3, 1, 1)), (5, (1, 0.1, 0.1))],
)
def test_intervals_cover_the_truth_at_their_level(seeds: int, of: tuple[float, float, float]) -> None:
    rng = np.random.default_rng(0)
    covered = [(i := crossed(simulated(rng, seeds, 60, of))).low <= 0 <= i.high for _ in range(1000)]
    assert 0.92 <= np.mean(covered) <= 0.98


def test_with_two_seeds_of_large_variance_intervals_cover_less() -> None:
    rng = np.random.default_rng(0)
    covered = [(i := crossed(simulated(rng, 2, 60, (1, 1, 1)))).low <= 0 <= i.high for _ in range(1000)]
    assert 0.82 <= np.mean(covered) <= 0.93


def test_intervals_over_episodes_alone_miss_the_variance_of_seeds() -> None:
    rng = np.random.default_rng(0)
    tables = [simulated(rng, 3, 100, (0.3, 1, 1)) for _ in range(300)]
    naive = [(i := student_t(table.mean(axis=0))).low <= 0 <= i.high for table in tables]
    assert np.mean(naive) < 0.8
