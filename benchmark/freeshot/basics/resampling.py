"""Resampled means of many rows at once: they are linear in the values, so one matrix of draws serves them all.

The resampled mean of a difference of rows is the difference of their resampled means; so `m` rows cost one product
[r, e] × [e, m], and their m² pairs a subtraction each. Axes: `r` resamples, `e` episodes, `m` rows or pairs of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from freeshot.basics.statistics import Interval, student_t

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

RESAMPLES = 9_999
"""The smallest p is 1 in 10,000, which survives Holm's adjustment for 190 pairs; a half-width is right to about 1 %."""
ROUNDING = 1e-12
"""Means of accuracies that differ by less are the same: values come in steps of one query, and ties are common."""
EXACT = 13
"""Values other than zero up to which all signs are tried."""
_BLOCK = 1000


def bootstrapped(values: Array, seed: int = 0, resamples: int = RESAMPLES) -> Array:
    """Return by how much the means of values [e, m] move when episodes are drawn with replacement: [m, r]."""
    return _products(_counts(len(values), seed, resamples), values - values.mean(axis=0))


def flipped(values: Array, seed: int = 0, resamples: int = RESAMPLES) -> Array:
    """Return the means of values [e, m] under random signs, one sign to an episode: [m, r]."""
    return _products(_signs(len(values), seed, resamples), values)


def between(rows: Array, pairs: Sequence[tuple[int, int]]) -> Array:
    """Subtract lines of rows [m, …] from each other, pair by pair: [pairs, …]."""
    first, second = ([pair[side] for pair in pairs] for side in (0, 1))
    return np.asarray(rows[first] - rows[second])


def bca_intervals(values: Array, moves: Array, level: float, covers: str) -> tuple[Interval, ...]:
    """Return the BCa bootstrap intervals of the means of values [e, m], of which `moves` [m, r] are bootstrapped.

    Bias-corrected and accelerated (Efron, 1987), the acceleration of a mean from its jackknife in closed form.
    Student's where there are fewer than three values, all are alike, or so few differ that there is no correction.
    """
    low, high = _bca_moves(values, moves, level)
    plain = [student_t(column, level, covers) for column in values.T]
    known = np.isfinite(low + high) & (np.ptp(values, axis=0) > 0) & (len(values) > 2)
    return tuple(
        Interval(one.mean, _clean(one.mean + down), _clean(one.mean + up), level, covers) if there else one
        for one, down, up, there in zip(plain, low, high, known, strict=True)
    )


def sign_flip_shares(values: Array, flips: Array) -> list[float]:
    """Return for values [e, m], of which `flips` [m, r] are flipped, the two-sided p of the mean.

    Of the signs drawn the observed ones count as one draw more; where few episodes differ all signs are tried instead.
    """
    extreme = np.abs(values.mean(axis=0)) - ROUNDING  # [m]
    hits = (np.abs(flips) >= extreme[:, None]).sum(axis=1)
    shares = (hits + 1) / (flips.shape[1] + 1)
    few = np.count_nonzero(values, axis=0) <= EXACT
    return [all_signs(values[:, k]) if few[k] else float(share) for k, share in enumerate(shares)]


def all_signs(values: Array) -> float:
    """Return the share of all signs of values [e] that give as large a mean; 1 where all are zero."""
    differing = values[values != 0]  # a difference of zero has no sign to flip
    count = len(differing)
    signs = 1 - 2 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)  # [2^e, e]
    return float((np.abs(signs @ differing) >= abs(differing.sum()) - ROUNDING * len(values)).mean())


def _bca_moves(values: Array, moves: Array, level: float) -> tuple[Array, Array]:
    from scipy.special import ndtr, ndtri

    centred = values - values.mean(axis=0)
    below = ((moves < -ROUNDING).mean(axis=1) + (moves <= ROUNDING).mean(axis=1)) / 2  # [m], ties half
    # what has no value becomes NaN, and the caller takes another interval
    with np.errstate(divide="ignore", invalid="ignore"):
        bias = ndtri(below)
        acceleration = (centred**3).sum(axis=0) / (6 * (centred**2).sum(axis=0) ** 1.5)
        reached = bias[:, None] + ndtri([(1 - level) / 2, (1 + level) / 2])  # [m, 2]
        shares = ndtr(bias[:, None] + reached / (1 - acceleration[:, None] * reached))
    ordered = np.sort(moves, axis=1)
    low, high = (_quantiles(ordered, share) for share in shares.T)
    return low, high


def _clean(bound: float) -> float:
    """Drop the digits that rounding made; a bound of zero is no less than zero."""
    return round(float(bound), 12) + 0.0


def _quantiles(ordered: Array, shares: Array) -> Array:
    """Interpolate linearly in sorted lines [m, r] at one share each [m]."""
    place = np.nan_to_num(shares) * (ordered.shape[1] - 1)
    before = np.floor(place).astype(int)
    after = np.minimum(before + 1, ordered.shape[1] - 1)
    line = np.arange(len(ordered))
    found = ordered[line, before] + (place - before) * (ordered[line, after] - ordered[line, before])
    return np.asarray(np.where(np.isfinite(shares), found, np.nan))


@lru_cache(maxsize=2)
def _counts(episodes: int, seed: int, resamples: int) -> NDArray[np.integer]:
    """Draw how often each episode is drawn in each resample: [r, e]; shared, so nobody may write to it."""
    drawn = np.random.default_rng(seed).multinomial(episodes, np.full(episodes, 1 / episodes), resamples)
    small = drawn.astype(np.min_scalar_type(drawn.max()))
    small.setflags(write=False)
    return small


@lru_cache(maxsize=2)
def _signs(episodes: int, seed: int, resamples: int) -> NDArray[np.int8]:
    """Draw a sign for each episode in each resample: [r, e]; shared, so nobody may write to it."""
    signs = 2 * np.random.default_rng(seed).integers(0, 2, (resamples, episodes), dtype=np.int8) - 1
    signs.setflags(write=False)
    return signs


def _products(draws: NDArray[np.integer], values: Array) -> Array:
    """Return the means of values [e, m] under each line of draws [r, e], in blocks that fit a cache: [m, r]."""
    found = np.empty((values.shape[1], len(draws)))
    for start in range(0, len(draws), _BLOCK):
        block = draws[start : start + _BLOCK].astype(np.float64)
        found[:, start : start + _BLOCK] = (block @ values).T / len(values)
    return found
