"""Where the rows of a board stand across its tracks: ranks, what can be told apart, who wins how often.

Here the tracks are the sample: a track counts once, however many episodes it has. Tests and cliques follow Demšar
(2006) and Benavoli et al. (2016): Friedman's test over all rows, Wilcoxon's signed ranks with Holm's adjustment for
pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from freeshot.leaderboard.board import Board, Row
from freeshot.leaderboard.caveats import cautions, out_of_reach
from freeshot.leaderboard.verdicts import verdict_intervals
from freeshot.leaderboard.win_rates import wins
from freeshot.stats.intervals import Interval
from freeshot.stats.paired_tests import VERDICTS, holm, verdict, wilcoxon_each

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

LEVEL = 0.05
"""Adjusted p from which on two rows are not told apart."""


@dataclass(frozen=True)
class Standings:
    """Rows (best average rank first) across the tracks that all of them have; matrices are [row][other row]."""

    rows: tuple[str, ...]
    tracks: tuple[str, ...]
    average_ranks: tuple[float, ...]
    """Over tracks, by mean accuracy alone: 1 is best, equal means share the average of their places."""
    interquartile_means: tuple[float, ...]
    """Accuracy on the middle half of the tracks (IQM; Agarwal et al., 2021), which no single track decides."""
    friedman: float
    """p that ranks as unequal come from rows that are alike; 1 below three rows."""
    adjusted: tuple[tuple[float, ...], ...]
    """Two-sided p of Wilcoxon's signed ranks over tracks, adjusted by Holm for all pairs."""
    cliques: tuple[tuple[int, ...], ...]
    """Longest runs of neighbouring rows of which no two are told apart; a row may stand in several."""
    wins: tuple[tuple[Interval, ...], ...]
    """Share of tracks that a row wins over another, ties half; the interval is of the percentile bootstrap."""
    verdicts: tuple[tuple[dict[str, int], ...], ...]
    """Verdict → on how many tracks a row gets it over another."""
    cautions: tuple[str, ...]


def standings(board: Board, widest: int | None = None) -> Standings | None:
    """Compare all ranked rows that have every track; None where there are not two of them.

    With more rows than `widest`, wins and verdicts stay empty: they take longest, and few show so many.
    """
    tracks = tuple(t.name for t in board.tracks)
    complete = [row for row in board.rows if all(name in row.line.scores for name in tracks)]
    if len(complete) < 2:
        return None
    # rounded, so that the order in which seeds were summed parts no ties
    means = np.round([[np.mean(row.line.averages[name]) for name in tracks] for row in complete], 12)  # [n, t]
    ranks, middle = _average_ranks(means), _interquartile_means(means)
    order = sorted(range(len(complete)), key=lambda i: (ranks[i], -middle[i], complete[i].label))
    rows, means = [complete[i] for i in order], means[order]
    adjusted = _adjusted(means)
    shown = widest is None or len(rows) <= widest
    return Standings(
        tuple(row.label for row in rows),
        tracks,
        tuple(ranks[i] for i in order),
        tuple(middle[i] for i in order),
        _friedman(means),
        adjusted,
        cliques(adjusted),
        wins(rows, tracks) if shown else (),
        _verdicts(rows, tracks) if shown else (),
        (
            *cautions(tracks, min(row.cells[name].seeds for row in rows for name in tracks)),
            *out_of_reach(len(rows), len(tracks), LEVEL),
        ),
    )


def cliques(adjusted: Sequence[Sequence[float]], level: float = LEVEL) -> tuple[tuple[int, ...], ...]:
    """List the longest runs of at least two neighbours of which no pair lies below the level."""
    count = len(adjusted)
    found: list[tuple[int, ...]] = []
    for start in range(count):
        end = start + 1
        while end < count and all(adjusted[i][end] >= level for i in range(start, end)):
            end += 1
        if end - start > 1 and not (found and found[-1][-1] >= end - 1):  # else it lies within the last one
            found.append(tuple(range(start, end)))
    return tuple(found)


def _average_ranks(means: Array) -> list[float]:
    from scipy.stats import rankdata

    return [float(rank) for rank in rankdata(-means, axis=0).mean(axis=1)]


def _interquartile_means(means: Array) -> list[float]:
    from scipy.stats import trim_mean

    return [float(value) for value in trim_mean(means, 0.25, axis=1)]


def _friedman(means: Array) -> float:
    if len(means) < 3 or not np.ptp(means, axis=0).any():
        return 1.0
    from scipy.stats import friedmanchisquare

    return float(friedmanchisquare(*means).pvalue)


def _adjusted(means: Array) -> tuple[tuple[float, ...], ...]:
    pairs = list(combinations(range(len(means)), 2))
    matrix = np.ones((len(means), len(means)))
    differences = np.array([means[i] - means[j] for i, j in pairs]).round(12).T  # [t, pairs]
    for (i, j), p in zip(pairs, holm(wilcoxon_each(differences)), strict=True):
        matrix[i, j] = matrix[j, i] = p
    return tuple(tuple(map(float, line)) for line in matrix)


def _verdicts(rows: Sequence[Row], tracks: Sequence[str]) -> tuple[tuple[dict[str, int], ...], ...]:
    """Count the verdicts of the upper half; the lower one is its mirror, and a row equals itself."""
    pairs = list(combinations(range(len(rows)), 2))
    lines = [row.line for row in rows]
    said = [[verdict(one) for one in verdict_intervals(lines, name, pairs)] for name in tracks]  # tracks × pairs
    upper: dict[tuple[int, int], dict[str, int]] = {
        pair: {name: sum(line[place] == name for line in said) for name in VERDICTS} for place, pair in enumerate(pairs)
    }
    itself: dict[str, int] = {name: len(tracks) if name == "equal" else 0 for name in VERDICTS}
    return tuple(
        tuple(upper[i, j] if i < j else _turned(upper[j, i]) if i > j else itself for j in range(len(rows)))
        for i in range(len(rows))
    )


def _turned(counts: dict[str, int]) -> dict[str, int]:
    return counts | {"better": counts["worse"], "worse": counts["better"]}
