"""Comparison of rows across tracks: average ranks, significant differences and win rates.

The tracks are the sample: each track counts once, regardless of its number of episodes. Tests and cliques follow Demšar
(2006) and Benavoli et al. (2016): Friedman's test over all rows, Wilcoxon's signed ranks with Holm's adjustment for
pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from freeshot.leaderboard.board import Board
from freeshot.leaderboard.entry import Entry
from freeshot.leaderboard.pairwise import verdict_intervals
from freeshot.leaderboard.win_rates import mirrored, wins
from freeshot.stats.intervals import Interval
from freeshot.stats.paired_tests import VERDICTS, holm, verdict, wilcoxon_each

Array = NDArray[np.float64]

LEVEL = 0.05
"""Significance level: rows with at least this adjusted p do not differ significantly."""
FEW = 5
"""Minimum number of tracks for a claim across tracks."""


@dataclass(frozen=True)
class Standings:
    """Statistics of rows (best average rank first) over their common tracks; matrices are [row][other row]."""

    rows: tuple[str, ...]
    tracks: tuple[str, ...]
    average_ranks: tuple[float, ...]
    """Over tracks, by mean accuracy only: 1 is best; equal means share the average of their ranks."""
    interquartile_means: tuple[float, ...]
    """Mean accuracy on the middle half of the tracks (IQM; Agarwal et al., 2021), robust to a single extreme track."""
    friedman: float
    """p of Friedman's test that all rows have equal expected ranks; 1 for fewer than three rows."""
    adjusted: tuple[tuple[float, ...], ...]
    """Two-sided p of Wilcoxon's signed ranks over tracks, adjusted by Holm for all pairs."""
    cliques: tuple[tuple[int, ...], ...]
    """Longest runs of adjacent rows without a significant difference; a row can be in several."""
    wins: tuple[tuple[Interval, ...], ...]
    """Share of tracks on which a row beats another, ties count half; with a percentile bootstrap interval."""
    verdicts: tuple[tuple[dict[str, int], ...], ...]
    """Verdict → number of tracks on which a row has it against another."""
    cautions: tuple[str, ...]


def standings(board: Board, widest: int | None = None) -> Standings | None:
    """Compare all ranked rows that have every track; None for fewer than two.

    With more rows than `widest`, wins and verdicts stay empty: they take longest to compute, and tables omit them.
    """
    from scipy.stats import trim_mean

    tracks = tuple(t.name for t in board.tracks)
    complete = [row for row in board.rows if all(name in row.averages for name in tracks)]
    if len(complete) < 2:
        return None
    means = _means(complete, tracks)
    ranks = ranks_on_tracks(complete, tracks).mean(axis=1).tolist()
    middle = trim_mean(means, 0.25, axis=1).tolist()
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
            *caveats(tracks, min(row.cells[name].seeds for row in rows for name in tracks)),
            *_out_of_reach(len(rows), len(tracks)),
        ),
    )


def ranks_on_tracks(rows: Sequence[Entry], tracks: Sequence[str]) -> Array:
    """Return ranks by mean accuracy alone [n, t]: 1 is best; equal means share the average of their ranks."""
    from scipy.stats import rankdata

    ranks: Array = rankdata(-_means(rows, tracks), axis=0)
    return ranks


def _means(rows: Sequence[Entry], tracks: Sequence[str]) -> Array:
    """Return mean accuracies [n, t], rounded, so that the order of summation over seeds does not break ties."""
    return np.round([[np.mean(row.averages[name]) for name in tracks] for row in rows], 12)


def cliques(adjusted: Sequence[Sequence[float]]) -> tuple[tuple[int, ...], ...]:
    """List the longest runs of at least two adjacent rows in which no pair differs significantly."""
    count = len(adjusted)
    runs: list[tuple[int, ...]] = []
    for start in range(count):
        end = start + 1
        while end < count and all(adjusted[i][end] >= LEVEL for i in range(start, end)):
            end += 1
        if end - start > 1 and not (runs and runs[-1][-1] >= end - 1):  # else the last clique contains it
            runs.append(tuple(range(start, end)))
    return tuple(runs)


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


def _verdicts(rows: Sequence[Entry], tracks: Sequence[str]) -> tuple[tuple[dict[str, int], ...], ...]:
    """Count verdicts of each pair; a row equals itself."""
    pairs = list(combinations(range(len(rows)), 2))
    on_tracks = [[verdict(interval) for interval in verdict_intervals(rows, name, pairs)] for name in tracks]
    upper: dict[tuple[int, int], dict[str, int]] = {
        pair: {name: of_pair.count(name) for name in VERDICTS}
        for pair, of_pair in zip(pairs, zip(*on_tracks, strict=True), strict=True)
    }
    itself: dict[str, int] = {name: len(tracks) if name == "equal" else 0 for name in VERDICTS}
    return mirrored(upper, len(rows), itself, lambda c: c | {"better": c["worse"], "worse": c["better"]})


def caveats(tracks: Sequence[str], seeds: int) -> tuple[str, ...]:
    """Warn about too few or dependent tracks, and about a single seed; `seeds` is the smallest number of a row."""
    sentences = []
    if len(tracks) < FEW:
        few = "1 track is" if len(tracks) == 1 else f"{len(tracks)} tracks are"
        sentences.append(f"{few} too few for a claim across tracks; it takes {FEW} at least.")
    datasets = len({name.rpartition("/")[0] for name in tracks})
    if datasets < len(tracks):
        sentences.append(
            f"{len(tracks)} tracks lie on {datasets} data set{'' if datasets == 1 else 's'}: those that share one are "
            "not independent, which makes p across tracks too small."
        )
    if seeds < 2:
        sentences.append("A row has one training seed, so this is about that run, not about the method.")
    return tuple(sentences)


def _out_of_reach(rows: int, tracks: int) -> tuple[str, ...]:
    """Warn if Wilcoxon's signed ranks with so few tracks cannot be significant for any pair of so many rows.

    The smallest p is 2 / 2^tracks, with all ranks of one sign; Holm's adjustment multiplies it by the number of pairs.
    """
    least = rows * (rows - 1) / 2 * 2 ** (1 - tracks)
    if tracks < FEW or least < LEVEL:
        return ()
    sentence = (
        f"{rows} rows on {tracks} tracks cannot be distinguished whatever their numbers: adjusted for all pairs, no p "
        f"falls below {min(least, 1.0):.2g}. Compare two of them, or run more tracks."
    )
    return (sentence,)
