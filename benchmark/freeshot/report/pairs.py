"""Every two rows of a board on every track that both have: evidence, and a verdict on what it is about.

A row's training seeds and the episodes are crossed. Where two rows share two seeds or more, a verdict is about the
methods: it rests on the interval over episodes and seeds. Otherwise it is about those runs, over episodes alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from freeshot.basics.crossed import crossed_differences
from freeshot.basics.paired import EQUIVALENT, Evidence, Verdict, holm, pairwise, verdict
from freeshot.basics.statistics import Interval, paired_difference
from freeshot.report.board import Board, Row


@dataclass(frozen=True)
class Pair:
    """Two rows on one track, named by their labels."""

    track: str
    first: str
    second: str
    evidence: Evidence
    """Over episodes, averaged over seeds."""
    holm: float
    """The sign-flip p, adjusted for all pairs of rows on the track."""
    over_seeds: Interval | None
    """Of first − second, over episodes and training seeds; None below two shared seeds."""
    verdict: Verdict


def all_pairs(board: Board, equivalent: float = EQUIVALENT) -> tuple[Pair, ...]:
    """Compare all ranked rows, track by track, in the order of the board."""
    return tuple(pair for track in board.tracks for pair in _on_track(board.rows, track.name, equivalent))


def over_seeds(first: Row, second: Row, track: str) -> Interval | None:
    """Return the interval of first − second over episodes and the seeds that both rows have, two at least."""
    return over_seeds_each((first, second), track, [(0, 1)])[0]


def over_seeds_each(rows: Sequence[Row], track: str, pairs: Sequence[tuple[int, int]]) -> list[Interval | None]:
    """Return `over_seeds` of pairs of rows, given by their places; pairs that share the same seeds are done at once."""
    runs = [row.line.runs.get(track, {}) for row in rows]
    alike: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for place, (i, j) in enumerate(pairs):
        alike[tuple(sorted(runs[i].keys() & runs[j].keys()))].append(place)
    found: list[Interval | None] = [None] * len(pairs)
    for shared, places in alike.items():
        if len(shared) < 2:
            continue
        there = sorted({i for place in places for i in pairs[place]})
        tables = np.array([[runs[i][seed] for seed in shared] for i in there])  # [n, s, e]
        if tables.shape[2] < 2:
            continue  # one episode has no spread
        at = {row: number for number, row in enumerate(there)}
        told = crossed_differences(tables, [(at[i], at[j]) for i, j in (pairs[place] for place in places)])
        for place, interval in zip(places, told, strict=True):
            found[place] = interval
    return found


def telling(first: Row, second: Row, track: str) -> Interval:
    """Return the interval of first − second that a verdict rests on: over seeds too, where they are known."""
    return telling_each((first, second), track, [(0, 1)])[0]


def telling_each(rows: Sequence[Row], track: str, pairs: Sequence[tuple[int, int]]) -> list[Interval]:
    """Return `telling` of pairs of rows, given by their places."""
    scores = [row.line.averages[track] for row in rows]
    return [
        wider or paired_difference(scores[i], scores[j])
        for (i, j), wider in zip(pairs, over_seeds_each(rows, track, pairs), strict=True)
    ]


def _on_track(rows: tuple[Row, ...], track: str, equivalent: float) -> list[Pair]:
    there = [row for row in rows if len(row.line.scores.get(track, ())) > 1]  # one episode has no spread
    pairs = list(combinations(range(len(there)), 2))
    if not pairs:
        return []
    weighed = pairwise(np.array([row.line.averages[track] for row in there]).T, pairs)
    adjusted = holm([one.sign_flip for one in weighed])
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
        for (i, j), one, p, wider in zip(pairs, weighed, adjusted, over_seeds_each(there, track, pairs), strict=True)
    ]
