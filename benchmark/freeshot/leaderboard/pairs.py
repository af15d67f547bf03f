"""Comparison of all pairs of rows of a board on every track that both have: statistics and a verdict.

Training seeds and episodes are crossed. If two rows share at least two seeds, the verdict applies to the methods: it
uses the interval over episodes and seeds. Otherwise it applies only to these runs, over episodes alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from freeshot.leaderboard.board import Board, Row
from freeshot.leaderboard.verdicts import intervals_over_seeds
from freeshot.stats.intervals import Interval
from freeshot.stats.paired_tests import EQUIVALENT, Evidence, Verdict, holm, pairwise, verdict


@dataclass(frozen=True)
class Pair:
    """Comparison of two rows on one track; rows are given by label."""

    track: str
    first: str
    second: str
    evidence: Evidence
    """Over episodes, averaged over seeds."""
    holm: float
    """The sign-flip p, adjusted for all pairs of rows on the track."""
    over_seeds: Interval | None
    """Interval of first − second over episodes and training seeds; None below two shared seeds."""
    verdict: Verdict


def all_pairs(board: Board, equivalent: float = EQUIVALENT) -> tuple[Pair, ...]:
    """Compare all pairs of ranked rows, track by track, in the order of the board."""
    return tuple(pair for track in board.tracks for pair in _on_track(board.rows, track.name, equivalent))


def over_seeds(first: Row, second: Row, track: str) -> Interval | None:
    """Return the interval of first − second over episodes and shared seeds; None below two shared seeds."""
    return intervals_over_seeds((first.line, second.line), track, [(0, 1)])[0]


def _on_track(rows: tuple[Row, ...], track: str, equivalent: float) -> list[Pair]:
    there = [row for row in rows if len(row.line.scores.get(track, ())) > 1]  # one episode has no variance
    pairs = list(combinations(range(len(there)), 2))
    if not pairs:
        return []
    weighed = pairwise(np.array([row.line.averages[track] for row in there]).T, pairs)
    adjusted = holm([one.sign_flip for one in weighed])
    wider_each = intervals_over_seeds([row.line for row in there], track, pairs)
    return [
        Pair(
            track,
            there[i].label,
            there[j].label,
            one,
            p,
            wider,
            verdict(wider or one.interval, equivalent),
        )
        for (i, j), one, p, wider in zip(pairs, weighed, adjusted, wider_each, strict=True)
    ]
