"""With the planned number of episodes or seeds, the difference is detected with the requested power."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from freeshot.basics.errors import OptionError
from freeshot.leaderboard import boards
from freeshot.leaderboard.power_analysis import episodes_needed, plan_seeds, plan_tracks, seeds_needed
from freeshot.stats.intervals import paired_difference, student_t

if TYPE_CHECKING:
    from collections.abc import Callable

    from freeshot.records.models import RunRecord


@pytest.mark.parametrize("power", [0.8, 0.95])
def test_the_planned_episodes_detect_the_difference_with_the_requested_power(power: float) -> None:
    rng = np.random.default_rng(0)
    count = episodes_needed(0.06, 0.01, power)
    seen = [student_t(rng.normal(0.01, 0.06, count)).low > 0 for _ in range(1500)]
    assert np.mean(seen) == pytest.approx(power, abs=0.03)


def test_the_planned_seeds_detect_the_difference_with_the_requested_power() -> None:
    rng = np.random.default_rng(1)
    count = seeds_needed(0.006, 0.005, 0.8)
    a, b = rng.normal(0.005, 0.006, (1500, count)), rng.normal(0, 0.006, (1500, count))
    reach = 1.96 * 0.006 * (2 / count) ** 0.5
    assert np.mean(a.mean(1) - b.mean(1) > reach) == pytest.approx(0.8, abs=0.03)


def test_half_the_difference_takes_four_times_the_episodes() -> None:
    assert episodes_needed(0.06, 0.005, 0.8) == pytest.approx(4 * episodes_needed(0.06, 0.01, 0.8), rel=0.01)


def test_the_spread_is_that_of_paired_differences(record: Callable[..., RunRecord]) -> None:
    records = [record("alpha", phase=0), record("beta", phase=1)]
    (board,) = boards(records)
    (plan,) = plan_tracks(board, 0.01, 0.8)
    interval = paired_difference(records[0].accuracies, records[1].accuracies)
    differences = np.subtract(records[0].accuracies, records[1].accuracies)
    assert plan.deviation == pytest.approx(float(differences.std(ddof=1)))
    assert interval.half_width > 0
    assert (plan.pairs, plan.episodes) == (1, plan.worst_episodes)


def test_seeds_are_planned_from_rows_that_have_several(record: Callable[..., RunRecord]) -> None:
    records = [record("alpha", mean=0.5 + 0.01 * seed, seed=seed) for seed in range(3)] + [record("beta")]
    (board,) = boards(records)
    (plan,) = plan_seeds(board, 0.005, 0.8)
    assert (plan.label, plan.known_from) == ("alpha", 3)
    assert plan.deviation == pytest.approx(0.01)
    assert plan.seeds == seeds_needed(0.01, 0.005, 0.8)
    assert plan.seconds == pytest.approx(plan.seeds * (30 + 12.5 + 1.25))


@pytest.mark.parametrize(("detect", "power"), [(0, 0.8), (-0.01, 0.8), (0.01, 1.0), (0.01, 0.1)])
def test_an_invalid_plan_is_an_error(record: Callable[..., RunRecord], detect: float, power: float) -> None:
    (board,) = boards([record("alpha"), record("beta")])
    with pytest.raises(OptionError, match="Invalid plan"):
        plan_tracks(board, detect, power)
