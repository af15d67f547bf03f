"""The arithmetic of the benches."""

from __future__ import annotations

import os

import pytest
from tests.performance.bench_episodes import row
from tests.performance.fresh_process import in_fresh_process
from tests.performance.measure import exponent


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_the_exponent_of_a_power_law_is_its_power(power: float) -> None:
    sizes = (5, 10, 20, 80)
    assert exponent(sizes, [0.3 * size**power for size in sizes]) == pytest.approx(power)


def test_a_constant_part_lowers_the_exponent() -> None:
    assert 0 < exponent((1, 2, 4), (11, 12, 14)) < 0.5


def test_seconds_of_few_episodes_are_scaled_to_all() -> None:
    seconds = {"score 10000": 0.5, "easyfsl": 0.6, "naive": 2.0, "draw": 0.06, "easyfsl draws": 0.03}
    assert row(1, 10_000, seconds) == ("10,000 of 1 shot", "0.500", "10.00", "20", "1000", "2000", "1.00", "0.50")


def test_a_fresh_process_has_another_id() -> None:
    assert in_fresh_process(os.getpid) != os.getpid()
