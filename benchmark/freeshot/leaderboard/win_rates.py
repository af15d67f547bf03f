"""How often one row wins over another across tracks, with a bootstrap over tracks and training seeds.

Only the order of means matters, so each mean is replaced by its rank among all means of a track: small integers, which
compare fast in bulk. Axes: `n` rows, `t` tracks, `s` seeds, `r` resamples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from freeshot.leaderboard.board import Row
from freeshot.stats.bootstrap import RESAMPLES
from freeshot.stats.intervals import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Whole = NDArray[np.integer]

Shares = tuple[tuple[Interval, ...], ...]


def wins(rows: Sequence[Row], tracks: Sequence[str]) -> Shares:
    """Return the share of tracks on which each row beats each other row; ties count half.

    Tracks are resampled; for rows with several seeds also the seeds, with the same draw for all tracks of a row.
    """
    rng = np.random.default_rng(0)
    count = len(tracks)
    drawn = rng.multinomial(count, np.full(count, 1 / count), RESAMPLES)
    drawn = np.ascontiguousarray(drawn.T, dtype=np.min_scalar_type(-count - 1))  # [t, r]
    known = [_by_seed(row, tracks) for row in rows]
    observed = _rounded(np.array([np.nanmean(means, axis=0) for means in known]))  # [n, t]
    resampled = _places([_resampled_seeds(means, rng) for means in known])  # n × ([t, r] or [t, 1])

    upper = {}
    for i, ours in enumerate(resampled[:-1]):
        others = range(i + 1, len(rows))
        told = _share(np.sign(observed[i] - observed[i + 1 :]).sum(axis=1), count).tolist()
        shares = _share(np.array([_won(ours, resampled[j], drawn) for j in others]), count)  # [others, r]
        bounds = np.percentile(shares, (2.5, 97.5), axis=1).T.tolist()
        for j, share, (low, high) in zip(others, told, bounds, strict=True):
            covers = "tracks and training seeds" if max(len(known[i]), len(known[j])) > 1 else "tracks"
            upper[i, j] = Interval(share, low, high, 0.95, covers)
    return _whole_matrix(upper, len(rows))


def _by_seed(row: Row, tracks: Sequence[str]) -> Array:
    """Return the mean accuracies [s, t] of a row; NaN if a seed lacks a track."""
    runs = row.line.runs
    seeds = sorted({seed for name in tracks for seed in runs[name]})
    return np.array([[np.mean(runs[name].get(seed, np.nan)) for name in tracks] for seed in seeds])


def _resampled_seeds(means: Array, rng: np.random.Generator) -> tuple[Array, Whole]:
    """Average [s, t] over seeds drawn with replacement; return the distinct averages and the index of each draw's [r].

    A single seed gives one average and one draw.
    """
    count = len(means)
    plain: Array = np.nanmean(means, axis=0, keepdims=True)
    if count == 1:
        return plain, np.zeros(1, dtype=np.int64)
    drawn, which = _different(rng.multinomial(count, np.full(count, 1 / count), RESAMPLES))
    if np.isfinite(means).all():
        return drawn @ means / count, which
    there = drawn @ np.isfinite(means).astype(np.int64)  # number of drawn seeds that have the track
    return np.where(there > 0, drawn @ np.nan_to_num(means) / np.maximum(there, 1), plain), which


def _different(drawn: NDArray[np.int64]) -> tuple[Whole, Whole]:
    """Return the distinct rows of draws [r, s] and the index of each draw's; five seeds have 126 distinct draws."""
    count = drawn.shape[1]
    if (count + 1) ** count > 2**63:  # with so many seeds hardly two draws are equal
        return drawn, np.arange(len(drawn))
    _, first, which = np.unique(drawn @ (count + 1) ** np.arange(count), return_index=True, return_inverse=True)
    return drawn[first], which


def _places(resampled: Sequence[tuple[Array, Whole]]) -> list[Whole]:
    """Replace each average by its rank among the distinct averages of its track: n × ([t, r] or [t, 1])."""
    means = _rounded(np.concatenate([averages for averages, _ in resampled]))  # [all, t]
    places = np.array([np.unique(column, return_inverse=True)[1] for column in means.T])  # [t, all]
    small = places.astype(np.min_scalar_type(places.max()))
    ends = np.cumsum([len(averages) for averages, _ in resampled])
    parts = np.split(small, ends[:-1], axis=1)
    return [part.take(which, axis=1) for part, (_, which) in zip(parts, resampled, strict=True)]


def _won(ours: Whole, theirs: Whole, drawn: Whole) -> Whole:
    """Return the number of drawn tracks [t, r] that the first wins minus those that it loses: [r]."""
    balance = (ours > theirs).view(np.int8) - (ours < theirs).view(np.int8)  # [t, r or 1]
    # no sum exceeds the number of drawn tracks, so the type of the draws suffices
    return np.asarray(np.add.reduce(balance * drawn, axis=0, dtype=drawn.dtype))


def _share(balance: Array | Whole, count: int) -> Array:
    """Convert wins minus losses into the share of tracks won; ties count half."""
    return np.asarray((1 + balance / count) / 2)


def _rounded(means: Array) -> Array:
    """Round means to integer multiples of 1e-12, so that the order of summation does not break ties."""
    return np.asarray(np.rint(means * 1e12))


def _whole_matrix(upper: Mapping[tuple[int, int], Interval], count: int) -> Shares:
    itself = Interval(0.5, 0.5, 0.5, 0.95, "tracks")
    return tuple(
        tuple(upper[i, j] if i < j else _mirrored(upper[j, i]) if i > j else itself for j in range(count))
        for i in range(count)
    )


def _mirrored(share: Interval) -> Interval:
    return Interval(1 - share.mean, 1 - share.high, 1 - share.low, share.level, share.covers)
