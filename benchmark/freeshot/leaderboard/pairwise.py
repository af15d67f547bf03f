"""Paired differences between rows on a track: intervals, statistics, verdicts, and ranks derived from them.

Training seeds and episodes are crossed. If two rows share at least two seeds, the verdict applies to the methods: it
uses the interval over episodes and seeds. Otherwise it applies only to these runs, over episodes alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from freeshot.leaderboard.entry import Entry
from freeshot.stats.crossed_effects import crossed_differences
from freeshot.stats.intervals import Interval, paired_difference
from freeshot.stats.paired_tests import EQUIVALENT, Evidence, Verdict, holm, pairwise, verdict

Indices = Sequence[tuple[int, int]]
"""Pairs of rows, by index."""
Conclusion = Literal["better", "worse", "mixed", "equal", "undecided"]
"""Of two rows over several tracks."""


@dataclass(frozen=True)
class Pair:
    """Comparison of two rows on one track; rows are given by label."""

    track: str
    first: str
    second: str
    evidence: Evidence
    """Over episodes, averaged over seeds."""
    holm: float
    """The sign-flip p, adjusted for all pairs of rows on the track, or for all tracks if two rows are compared."""
    over_seeds: Interval | None
    """Interval of first − second over episodes and training seeds; None below two shared seeds."""
    verdict: Verdict


def all_pairs(rows: Sequence[Entry], track: str, equivalent: float = EQUIVALENT) -> list[Pair]:
    """Compare all pairs of rows that have the track, in the order of the rows."""
    rows = [row for row in rows if len(row.averages.get(track, ())) > 1]  # one episode has no variance
    indices = list(combinations(range(len(rows)), 2))
    if not indices:
        return []
    each = pairwise(np.array([row.averages[track] for row in rows]).T, indices)
    adjusted = holm([evidence.sign_flip for evidence in each])
    wider = intervals_over_seeds(rows, track, indices)
    pairs = []
    for (i, j), evidence, p, over_seeds in zip(indices, each, adjusted, wider, strict=True):
        decision = verdict(over_seeds or evidence.interval, equivalent)
        pairs.append(Pair(track, rows[i].label, rows[j].label, evidence, p, over_seeds, decision))
    return pairs


def verdict_intervals(rows: Sequence[Entry], track: str, pairs: Indices) -> list[Interval]:
    """Return, for each pair, the interval used for its verdict: over seeds as well if two are shared."""
    return [
        over_seeds or paired_difference(rows[i].averages[track], rows[j].averages[track])
        for (i, j), over_seeds in zip(pairs, intervals_over_seeds(rows, track, pairs), strict=True)
    ]


def intervals_over_seeds(rows: Sequence[Entry], track: str, pairs: Indices) -> list[Interval | None]:
    """Return, for each pair, the interval of first − second over episodes and shared seeds; None below two seeds.

    Pairs with the same shared seeds are computed together.
    """
    runs = [row.runs.get(track, {}) for row in rows]
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, (i, j) in enumerate(pairs):
        groups[tuple(sorted(runs[i].keys() & runs[j].keys()))].append(index)
    intervals: list[Interval | None] = [None] * len(pairs)
    for shared, members in groups.items():
        if len(shared) < 2:
            continue
        used = sorted({i for index in members for i in pairs[index]})
        tables = np.array([[runs[i][seed] for seed in shared] for i in used])  # [n, s, e]
        if tables.shape[2] < 2:
            continue  # one episode has no variance
        renumbered = [(used.index(i), used.index(j)) for i, j in (pairs[index] for index in members)]
        for index, interval in zip(members, crossed_differences(tables, renumbered), strict=True):
            intervals[index] = interval
    return intervals


def conclusion(verdicts: Iterable[Verdict]) -> Conclusion:
    """Summarise the verdicts on several tracks: 'better' is better on some and worse on none, 'mixed' is both."""
    given = set(verdicts)
    if {"better", "worse"} <= given:
        return "mixed"
    if given == {"equal"}:
        return "equal"
    return "better" if "better" in given else "worse" if "worse" in given else "undecided"


def competition_ranks(rows: Sequence[Entry], track: str) -> dict[str, int]:
    """Rank rows by label, by mean accuracy on a track that all have, as in 1, 1, 3.

    A row shares the rank of the best row of the group unless the two differ significantly.
    """
    means = {row.label: sum(row.averages[track].tolist()) / len(row.averages[track]) for row in rows}
    ranks: dict[str, int] = {}
    best: Entry | None = None
    for position, row in enumerate(sorted(rows, key=lambda row: (-means[row.label], row.label)), start=1):
        if best is None or _differ(best, row, track):
            best = row
            ranks[row.label] = position
        else:
            ranks[row.label] = ranks[best.label]
    return ranks


def _differ(first: Entry, second: Entry, track: str) -> bool:
    # one episode has no variance: its interval is a point, so every difference would be significant
    several = len(first.averages[track]) > 1
    return several and verdict_intervals((first, second), track, [(0, 1)])[0].excludes_zero
