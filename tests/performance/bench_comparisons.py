"""All intervals and comparisons of a large leaderboard, from records that are already in memory."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from tests.performance.measure import Table, in_turn

from freeshot.stats.bootstrap import bca_intervals, bootstrapped
from freeshot.stats.intervals import student_t
from freeshot.stats.paired_tests import evidence, holm, pairwise, verdict

METHODS, TRACKS, EPISODES = 20, 20, 600
TARGET = 10.0
"""Seconds for everything."""


def bench() -> Table:
    """Compare 20 methods on 20 tracks of 600 episodes; and a single pair, as `freeshot compare` does."""
    rng = np.random.default_rng(0)
    skill, hard = rng.normal(0, 0.03, METHODS), rng.normal(0, 0.1, (TRACKS, EPISODES, 1))
    chance = np.clip(0.6 + skill + hard, 0.05, 0.95)
    boards = rng.binomial(75, chance) / 75  # [tracks, e, methods]
    pairs = list(combinations(range(METHODS), 2))

    def intervals() -> None:
        for accuracies in boards:
            bca_intervals(accuracies, bootstrapped(accuracies), 0.95, "episodes")
            for column in accuracies.T:
                student_t(column)

    def comparisons() -> None:
        for accuracies in boards:
            actual = pairwise(accuracies, pairs)
            holm([pair.sign_flip for pair in actual])
            for pair in actual:
                verdict(pair.interval)

    def single_pair() -> None:
        for accuracies in boards:
            evidence(accuracies[:, 0] - accuracies[:, 1])

    all_pairs = f"{len(pairs)} pairs × {TRACKS} tracks"
    seconds = in_turn(
        {
            f"intervals (t, BCa), {METHODS} methods × {TRACKS} tracks": intervals,
            f"comparisons (t, BCa, sign flips, Wilcoxon, Holm, d_z, verdict), {all_pairs}": comparisons,
            f"the same of 1 pair × {TRACKS} tracks, as `freeshot compare` does": single_pair,
        },
        rounds=3,
    )
    taken = [*seconds.values()]
    rows = [(name, f"{s:.2f}") for name, s in seconds.items()]
    rows.append((f"all intervals and comparisons; target {TARGET:.0f}", f"{taken[0] + taken[1]:.2f}"))
    return Table("Comparing rows", f"{EPISODES} episodes, 9,999 resamples.", ("what", "seconds"), tuple(rows))
