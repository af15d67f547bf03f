"""Mean over training seeds × episodes where all seeds share the same episodes; both factors are random.

    accuracy[s, e] = mean + seed[s] + episode[e] + rest[s, e]
    variance of the mean = var(seed)/s + var(episode)/e + var(rest)/(s·e)

Variance components are estimated from the mean squares of a two-way layout without replication (Searle, Casella &
McCulloch, Variance Components, 1992, ch. 4), the degrees of freedom by Satterthwaite (1946). In simulations a 95 %
interval covers 92 to 97 % from three seeds on; with two seeds, if seeds vary far more than episodes, down to 87 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from freeshot.stats.intervals import Interval, student_t

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Values = Sequence[Sequence[float]] | NDArray[np.float64]


ROUNDING = 1e-11
"""Relative squared distance below which a difference is rounding; one differing query in a million exceeds it."""


def crossed(values: Values, level: float = 0.95, covers: str = "episodes and training seeds") -> Interval:
    """Return the mean of values [s, e] with its interval over seeds and episodes.

    With one seed it is Student's interval over episodes, and `covers` names episodes only; with one episode it is
    Student's interval over seeds.
    """
    table = _table(values)
    seeds, episodes = table.shape
    if seeds == 1:
        return student_t(table[0], level)
    if episodes == 1:
        return student_t(table[:, 0], level, "training seeds")
    mean, *effects = _effects(table[None])
    squares = _mean_squares([*map(_squares, effects)], seeds, episodes)
    return _intervals(mean[:, 0, 0], squares, (seeds, episodes), level, covers)[0]


def crossed_differences(
    tables: NDArray[np.float64],
    pairs: Sequence[tuple[int, int]],
    level: float = 0.95,
    covers: str = "episodes and training seeds, paired",
) -> list[Interval]:
    """Return `crossed` of first − second for pairs of n tables [n, s, e]; s and e must be at least two.

    The sums of squares of differences are computed from products of the tables, which makes each further pair cheap.
    """
    _, seeds, episodes = tables.shape
    mean, of_seed, of_episode, rest = _effects(tables)
    first, second = np.array(pairs, dtype=np.int64).T
    squares = [_squared_distances(part.reshape(len(tables), -1), first, second) for part in (of_seed, of_episode, rest)]
    differences = mean[first, 0, 0] - mean[second, 0, 0]
    return _intervals(differences, _mean_squares(squares, seeds, episodes), (seeds, episodes), level, covers)


def _table(values: Values) -> NDArray[np.float64]:
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.size == 0 or not np.isfinite(table).all():
        raise ValueError("The values must be finite and of shape [seeds, episodes], with at least one of each.")
    return table


def _effects(tables: Array) -> tuple[Array, Array, Array, Array]:
    """Split tables [k, s, e] into mean [k, 1, 1], effects of seeds [k, s, 1] and episodes [k, 1, e], rest [k, s, e]."""
    mean = tables.mean(axis=(1, 2), keepdims=True)
    of_seed = tables.mean(axis=2, keepdims=True) - mean
    of_episode = tables.mean(axis=1, keepdims=True) - mean
    return mean, of_seed, of_episode, tables - mean - of_seed - of_episode


def _squares(effect: Array) -> Array:
    """Sum the squares of each of k tables: [k]."""
    return np.asarray(np.einsum("kse,kse->k", effect, effect))


def _squared_distances(points: Array, first: NDArray[np.int64], second: NDArray[np.int64]) -> Array:
    """Return ‖first − second‖² for pairs of points [n, d]; differences from 0 by rounding only become 0."""
    products = points @ points.T
    lengths = np.diagonal(products)[first] + np.diagonal(products)[second]
    squared = lengths - 2 * products[first, second]
    return np.where(squared > ROUNDING * lengths, squared, 0.0)


def _mean_squares(squares: Sequence[Array], seeds: int, episodes: int) -> tuple[Array, ...]:
    """Divide the sums of squares [k] of seeds, episodes and rest by their degrees of freedom."""
    of_seed, of_episode, rest = squares
    return (
        episodes * of_seed / (seeds - 1),
        seeds * of_episode / (episodes - 1),
        rest / ((seeds - 1) * (episodes - 1)),
    )


def _intervals(
    means: Array, squares: Sequence[Array], size: tuple[int, int], level: float, covers: str
) -> list[Interval]:
    """Turn means [k] and the mean squares of seeds, episodes and rest [k each] into intervals."""
    from scipy.special import stdtrit

    (by_seed, by_episode, rest), (seeds, episodes) = squares, size
    # variance of the mean, times s·e
    scaled = np.maximum(by_seed - rest, 0) + np.maximum(by_episode - rest, 0) + rest
    parts = by_seed**2 / (seeds - 1) + by_episode**2 / (episodes - 1) + rest**2 / ((seeds - 1) * (episodes - 1))
    still = scaled == 0  # no variation: the interval is a single point
    freedom = np.where(still, 1, scaled) ** 2 / np.where(still, 1, parts)
    freedom = np.maximum(freedom, min(seeds, episodes) - 1)  # at least that of the smaller factor
    reaches = stdtrit(freedom, (1 + level) / 2) * np.sqrt(scaled / (seeds * episodes))
    return [
        Interval(mean, mean - reach, mean + reach, level, covers)
        for mean, reach in zip(means.tolist(), reaches.tolist(), strict=True)
    ]
