"""Resampled means of many rows at once: they are linear in the values, so all rows share one matrix of draws.

The resampled mean of a difference of rows is the difference of their resampled means, so `m` rows cost one product [r,
e] × [e, m], and their m² pairs a subtraction each. Axes: `r` resamples, `e` episodes, `m` rows or pairs of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from freeshot.stats.intervals import Interval, student_t

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

RESAMPLES = 9_999
"""The smallest p is 1 in 10,000, which survives Holm's adjustment for 190 pairs; half-widths are accurate to 1 %."""
ROUNDING = 1e-12
"""Means of accuracies that differ by less count as equal: values come in steps of one query, and ties are common."""
EXACT = 13
"""Largest number of non-zero values for which all sign patterns are enumerated."""
_BLOCK = 1000


def bootstrapped(values: Array, seed: int = 0, resamples: int = RESAMPLES) -> Array:
    """Return the change of the means of values [e, m] when episodes are drawn with replacement: [m, r]."""
    return _products(_counts(len(values), seed, resamples), values - values.mean(axis=0))


def flipped(values: Array, seed: int = 0, resamples: int = RESAMPLES) -> Array:
    """Return the means of values [e, m] under random signs, one sign per episode: [m, r]."""
    return _products(_signs(len(values), seed, resamples), values)


def between(rows: Array, pairs: Sequence[tuple[int, int]]) -> Array:
    """Subtract rows [m, …] from each other, pair by pair: [pairs, …]."""
    first, second = ([pair[side] for pair in pairs] for side in (0, 1))
    return np.asarray(rows[first] - rows[second])


def bca_intervals(values: Array, moves: Array, level: float, covers: str) -> tuple[Interval, ...]:
    """Return BCa bootstrap intervals of the means of values [e, m]; `moves` [m, r] come from `bootstrapped`.

    Bias-corrected and accelerated (Efron, 1987), with the jackknife acceleration of a mean in closed form. Student's t
    interval is used for fewer than three values, if all values are equal, or if too few differ for a correction.
    """
    low, high = _bca_moves(values, moves, level)
    plain = [student_t(column, level, covers) for column in values.T]
    known = np.isfinite(low + high) & (np.ptp(values, axis=0) > 0) & (len(values) > 2)
    return tuple(
        Interval(one.mean, _clean(one.mean + down), _clean(one.mean + up), level, covers) if there else one
        for one, down, up, there in zip(plain, low, high, known, strict=True)
    )


def sign_flip_shares(values: Array, flips: Array) -> list[float]:
    """Return the two-sided p of the mean of values [e, m]; `flips` [m, r] come from `flipped`.

    The observed signs count as one additional draw; if few episodes differ, all sign patterns are enumerated instead.
    """
    extreme = np.abs(values.mean(axis=0)) - ROUNDING  # [m]
    hits = (np.abs(flips) >= extreme[:, None]).sum(axis=1)
    shares = (hits + 1) / (flips.shape[1] + 1)
    few = np.count_nonzero(values, axis=0) <= EXACT
    return [all_signs(values[:, k]) if few[k] else float(share) for k, share in enumerate(shares)]


def all_signs(values: Array) -> float:
    """Return the share of all sign patterns of values [e] that give as large a mean; 1 if all are zero."""
    differing = values[values != 0]  # a difference of zero has no sign to flip
    count = len(differing)
    signs = 1 - 2 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)  # [2^e, e]
    return float((np.abs(signs @ differing) >= abs(differing.sum()) - ROUNDING * len(values)).mean())


def _bca_moves(values: Array, moves: Array, level: float) -> tuple[Array, Array]:
    from scipy.special import ndtr, ndtri

    centred = values - values.mean(axis=0)
    below = ((moves < -ROUNDING).mean(axis=1) + (moves <= ROUNDING).mean(axis=1)) / 2  # [m], ties half
    # undefined values become NaN, and the caller uses another interval
    with np.errstate(divide="ignore", invalid="ignore"):
        bias = ndtri(below)
        acceleration = (centred**3).sum(axis=0) / (6 * (centred**2).sum(axis=0) ** 1.5)
        reached = bias[:, None] + ndtri([(1 - level) / 2, (1 + level) / 2])  # [m, 2]
        shares = ndtr(bias[:, None] + reached / (1 - acceleration[:, None] * reached))
    ordered = np.sort(moves, axis=1)
    low, high = (_quantiles(ordered, share) for share in shares.T)
    return low, high


def _clean(bound: float) -> float:
    """Round away floating-point noise; -0.0 becomes 0.0."""
    return round(float(bound), 12) + 0.0


def _quantiles(ordered: Array, shares: Array) -> Array:
    """Interpolate linearly in sorted rows [m, r] at one share per row [m]."""
    place = np.nan_to_num(shares) * (ordered.shape[1] - 1)
    before = np.floor(place).astype(int)
    after = np.minimum(before + 1, ordered.shape[1] - 1)
    line = np.arange(len(ordered))
    found = ordered[line, before] + (place - before) * (ordered[line, after] - ordered[line, before])
    return np.asarray(np.where(np.isfinite(shares), found, np.nan))


@lru_cache(maxsize=2)
def _counts(episodes: int, seed: int, resamples: int) -> NDArray[np.integer]:
    """Draw how often each episode occurs in each resample: [r, e]; cached and therefore read-only."""
    drawn = np.random.default_rng(seed).multinomial(episodes, np.full(episodes, 1 / episodes), resamples)
    small = drawn.astype(np.min_scalar_type(drawn.max()))
    small.setflags(write=False)
    return small


@lru_cache(maxsize=2)
def _signs(episodes: int, seed: int, resamples: int) -> NDArray[np.int8]:
    """Draw a sign for each episode in each resample: [r, e]; cached and therefore read-only."""
    signs = 2 * np.random.default_rng(seed).integers(0, 2, (resamples, episodes), dtype=np.int8) - 1
    signs.setflags(write=False)
    return signs


def _products(draws: NDArray[np.integer], values: Array) -> Array:
    """Return the means of values [e, m] under each row of draws [r, e]: [m, r]. Works in cache-sized blocks."""
    found = np.empty((values.shape[1], len(draws)))
    for start in range(0, len(draws), _BLOCK):
        block = draws[start : start + _BLOCK].astype(np.float64)
        found[:, start : start + _BLOCK] = (block @ values).T / len(values)
    return found
