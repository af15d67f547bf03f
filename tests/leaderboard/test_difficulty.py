from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.leaderboard.conftest import INSTALLED, REFERENCE

from freeshot.leaderboard import boards
from freeshot.leaderboard.secondary_metrics import GROUPS, difficulty_curves

if TYPE_CHECKING:
    from collections.abc import Callable

    from freeshot.records.models import RunRecord

    Make = Callable[..., RunRecord]


def test_episodes_are_ordered_by_the_log_odds_of_the_reference(record: Make) -> None:
    odds = np.random.default_rng(0).normal(size=20)
    reference = record(REFERENCE).model_copy(update={"log_odds": odds.tolist()})
    (board,) = boards([reference, record("alpha", mean=0.4, phase=1)], INSTALLED)
    (actual,) = difficulty_curves(board)
    ordered = sorted(range(20), key=lambda i: odds[i])
    accuracies = record("alpha", mean=0.4, phase=1).accuracies
    expected = [(accuracies[ordered[i]] + accuracies[ordered[i + 1]]) / 2 for i in range(0, 20, 2)]
    assert actual.accuracies["alpha"] == pytest.approx(expected)
    assert len(actual.log_odds) == GROUPS
    assert list(actual.log_odds) == sorted(actual.log_odds)


def test_hardness_is_averaged_over_the_references_seeds(record: Make) -> None:
    first, second = (
        record(REFERENCE, seed=seed).model_copy(update={"log_odds": [float(sign * i) for i in range(20)]})
        for seed, sign in ((0, 1), (1, -1))
    )
    (board,) = boards([first, second], INSTALLED)
    assert difficulty_curves(board)[0].log_odds == (0.0,) * GROUPS


def test_without_log_odds_of_the_reference_there_is_no_curve(record: Make) -> None:
    other = record("alpha").model_copy(update={"log_odds": [0.0] * 20})
    (board,) = boards([record(REFERENCE), other], INSTALLED)
    assert difficulty_curves(board) == ()


def test_without_the_suites_plugin_there_is_no_curve(record: Make) -> None:
    reference = record(REFERENCE).model_copy(update={"log_odds": [0.0] * 20})
    (board,) = boards([reference])
    assert difficulty_curves(board) == ()
