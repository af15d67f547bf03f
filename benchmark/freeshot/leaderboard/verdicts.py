"""Intervals of the difference between two rows on a track, the widest available; pairs are pairs of row indices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from freeshot.stats.crossed_effects import crossed_differences
from freeshot.stats.intervals import Interval, paired_difference

if TYPE_CHECKING:
    from freeshot.leaderboard.entry import Line


def intervals_over_seeds(lines: Sequence[Line], track: str, pairs: Sequence[tuple[int, int]]) -> list[Interval | None]:
    """Return, for each pair, the interval of first − second over episodes and shared seeds; None below two seeds.

    Pairs with the same shared seeds are computed together.
    """
    runs = [line.runs.get(track, {}) for line in lines]
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
            continue  # one episode has no variance
        at = {which: number for number, which in enumerate(there)}
        told = crossed_differences(tables, [(at[i], at[j]) for i, j in (pairs[place] for place in places)])
        for place, interval in zip(places, told, strict=True):
            found[place] = interval
    return found


def verdict_intervals(lines: Sequence[Line], track: str, pairs: Sequence[tuple[int, int]]) -> list[Interval]:
    """Return, for each pair, the interval used for its verdict: over seeds as well if two are shared."""
    scores = [line.averages[track] for line in lines]
    return [
        wider or paired_difference(scores[i], scores[j])
        for (i, j), wider in zip(pairs, intervals_over_seeds(lines, track, pairs), strict=True)
    ]
