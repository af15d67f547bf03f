"""Win rates, computed from ranks among all means, equal those of the slow and obvious way."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from freeshot.leaderboard import boards
from freeshot.leaderboard.win_rates import wins
from freeshot.stats.bootstrap import RESAMPLES

if TYPE_CHECKING:
    from collections.abc import Callable

    from freeshot.records.models import RunRecord

TRACKS = [f"in-domain/set-{letter}/5w1s" for letter in "abcdef"]


def obvious(rows: Any) -> dict[tuple[int, int], tuple[float, float, float]]:
    """Draw the same tracks and seeds, and count the tracks won for every pair of rows."""
    rng = np.random.default_rng(0)
    count = len(TRACKS)
    drawn = rng.multinomial(count, np.full(count, 1 / count), RESAMPLES)
    tables = [np.array([[runs[name][s].mean() for name in TRACKS] for s in sorted(runs[TRACKS[0]])]) for runs in rows]
    resampled = []
    for means in tables:
        if len(means) == 1:
            resampled.append(np.broadcast_to(means, (RESAMPLES, count)))
        else:
            seeds = rng.multinomial(len(means), np.full(len(means), 1 / len(means)), RESAMPLES)
            resampled.append(seeds @ means / len(means))
    actual = {}
    for i, j in combinations(range(len(rows)), 2):
        shares = ((1 + np.sign((resampled[i] - resampled[j]).round(12))) / 2 * drawn).sum(axis=1) / count
        mean = ((1 + np.sign((tables[i].mean(axis=0) - tables[j].mean(axis=0)).round(12))) / 2).mean()
        actual[i, j] = (mean, *np.percentile(shares, (2.5, 97.5)))
    return actual


def test_wins_are_those_of_the_obvious_way(record: Callable[..., RunRecord]) -> None:
    rng = np.random.default_rng(5)
    means = {("a", 0): 0.5, ("b", 0): 0.52, ("b", 1): 0.48, ("c", 0): 0.55, ("c", 1): 0.5, ("c", 2): 0.4}
    records = [
        record(method, track, mean + float(rng.integers(-2, 3)) / 50, seed=seed)  # steps, so that some tie
        for (method, seed), mean in means.items()
        for track in TRACKS
    ]
    (board,) = boards(records)
    actual, expected = wins(board.rows, TRACKS), obvious([row.runs for row in board.rows])
    for (i, j), numbers in expected.items():
        assert (actual[i][j].mean, actual[i][j].low, actual[i][j].high) == pytest.approx(numbers, abs=1e-9)
    assert len({share.mean for line in actual for share in line}) > 2


@pytest.mark.parametrize("count", [127, 128, 129])
def test_a_row_that_wins_on_all_of_many_tracks_has_a_share_of_1(record: Callable[..., RunRecord], count: int) -> None:
    tracks = [f"in-domain/set-{number}/5w1s" for number in range(count)]
    (board,) = boards([record(method, track, mean) for method, mean in (("a", 0.6), ("b", 0.4)) for track in tracks])
    shares = wins(board.rows, tracks)
    assert (shares[0][1].mean, shares[0][1].low, shares[0][1].high) == (1.0, 1.0, 1.0)
    assert shares[1][0].high == 0.0
