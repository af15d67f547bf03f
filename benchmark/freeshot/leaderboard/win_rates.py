"""How often one row wins over another across tracks, with a bootstrap over tracks and training seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from freeshot.leaderboard.entry import Entry
from freeshot.stats.bootstrap import RESAMPLES
from freeshot.stats.intervals import Interval

Array = NDArray[np.float64]

T = TypeVar("T")


def wins(rows: Sequence[Entry], tracks: Sequence[str]) -> tuple[tuple[Interval, ...], ...]:
    """Return the share of tracks on which each row beats each other row; ties count half.

    Tracks are resampled; for rows with several seeds also the seeds, with the same draw for all tracks of a row.
    """
    rng = np.random.default_rng(0)
    small = np.min_scalar_type(-len(tracks) - 1)  # holds every sum of drawn tracks, and small integers add up fast
    drawn = np.ascontiguousarray(_draws(len(tracks), rng).T, dtype=small)  # [t, r]
    means = [_by_seed(row, tracks) for row in rows]  # [s, t] each
    # rounded, so that the order of summation does not break ties
    observed = np.array([np.nanmean(by_seed, axis=0) for by_seed in means]).round(12)  # [n, t]
    resampled = [_over_seeds(by_seed, rng).round(12) for by_seed in means]  # [t, r] each, [t, 1] for a single seed
    upper = {}
    for i, j in combinations(range(len(rows)), 2):
        share = (1 + np.sign(observed[i] - observed[j]).mean()) / 2
        won = (resampled[i] > resampled[j]).view(np.int8) - (resampled[i] < resampled[j]).view(np.int8)
        balance = (won * drawn).sum(axis=0, dtype=small)  # [r] tracks won minus tracks lost
        low, high = np.percentile((1 + balance / len(tracks)) / 2, (2.5, 97.5))
        covers = "tracks and training seeds" if max(len(means[i]), len(means[j])) > 1 else "tracks"
        upper[i, j] = Interval(float(share), float(low), float(high), 0.95, covers)
    itself = Interval(0.5, 0.5, 0.5, 0.95, "tracks")
    return mirrored(upper, len(rows), itself, lambda w: Interval(1 - w.mean, 1 - w.high, 1 - w.low, w.level, w.covers))


def mirrored(
    upper: Mapping[tuple[int, int], T], count: int, itself: T, reverse: Callable[[T], T]
) -> tuple[tuple[T, ...], ...]:
    """Complete a matrix of pairs from its upper triangle; `reverse` turns a result of (i, j) into that of (j, i)."""
    return tuple(
        tuple(upper[i, j] if i < j else reverse(upper[j, i]) if i > j else itself for j in range(count))
        for i in range(count)
    )


def _draws(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw how often each of `count` items occurs in each resample: [r, count]."""
    return rng.multinomial(count, np.full(count, 1 / count), RESAMPLES)


def _by_seed(row: Entry, tracks: Sequence[str]) -> Array:
    """Return the mean accuracies [s, t] of a row; NaN if a seed lacks a track."""
    seeds = sorted({seed for name in tracks for seed in row.runs[name]})
    return np.array([[np.mean(row.runs[name].get(seed, np.nan)) for name in tracks] for seed in seeds])


def _over_seeds(means: Array, rng: np.random.Generator) -> Array:
    """Average [s, t] over seeds drawn with replacement: [t, r]; [t, 1] for a single seed."""
    plain: Array = np.nanmean(means, axis=0)[:, None]
    if len(means) == 1:
        return plain
    drawn = _draws(len(means), rng)
    counts = (drawn @ np.isfinite(means).astype(np.int64)).T  # [t, r] number of drawn seeds that have the track
    averages = np.where(counts > 0, (drawn @ np.nan_to_num(means)).T / np.maximum(counts, 1), plain)
    return np.ascontiguousarray(averages)
