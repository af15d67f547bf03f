"""Mean over training seeds × episodes, both random; own code, because no library has this interval in closed form.

    accuracy[s, e] = mean + seed[s] + episode[e] + rest[s, e]
    variance of the mean = var(seed)/s + var(episode)/e + var(rest)/(s·e)

All seeds share the same episodes. Variance components are estimated from the mean squares of a two-way layout without
replication (Searle, Casella & McCulloch, Variance Components, 1992, ch. 4), the degrees of freedom by Satterthwaite
(1946). In simulations a 95 % interval covers 92 to 97 % from three seeds on; with two seeds, if seeds vary far more
than episodes, down to 87 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from freeshot.stats.intervals import Interval, student_t

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

ROUNDING = 1e-11
"""Relative squared distance below which a difference is rounding; one differing query in a million exceeds it."""


def crossed(values: Sequence[Sequence[float]] | Array) -> Interval:
    """Return the mean of values [s, e] with its interval over seeds and episodes.

    With one seed it is Student's interval over episodes, and `covers` names episodes only; with one episode it is
    Student's interval over seeds.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.size == 0 or not np.isfinite(table).all():
        raise ValueError("The values must be finite and of shape [seeds, episodes], with at least one of each.")
    if len(table) == 1:
        return student_t(table[0])
    if table.shape[1] == 1:
        return student_t(table[:, 0], covers="training seeds")
    return crossed_differences(np.stack([table, np.zeros_like(table)]), [(0, 1)], "episodes and training seeds")[0]


def crossed_differences(
    tables: Array, pairs: Sequence[tuple[int, int]], covers: str = "episodes and training seeds, paired"
) -> list[Interval]:
    """Return the 95 % interval of first − second for pairs of n tables [n, s, e]; s and e must be at least two.

    The sums of squares of differences are computed from products of the tables, which makes each further pair cheap.
    """
    from scipy.special import stdtrit

    count, seeds, episodes = tables.shape
    means = tables.mean(axis=(1, 2), keepdims=True)  # [n, 1, 1]
    of_seed = tables.mean(axis=2, keepdims=True) - means  # [n, s, 1]
    of_episode = tables.mean(axis=1, keepdims=True) - means  # [n, 1, e]
    rest = tables - means - of_seed - of_episode  # [n, s, e]

    first, second = np.array(pairs, dtype=np.int64).T
    by_seed, by_episode, by_rest = (
        repeats * _squared_distances(effect.reshape(count, -1), first, second) / freedom  # mean squares [pairs]
        for effect, repeats, freedom in (
            (of_seed, episodes, seeds - 1),
            (of_episode, seeds, episodes - 1),
            (rest, 1, (seeds - 1) * (episodes - 1)),
        )
    )
    # variance of the mean, times s·e
    scaled = np.maximum(by_seed - by_rest, 0) + np.maximum(by_episode - by_rest, 0) + by_rest
    terms = by_seed**2 / (seeds - 1) + by_episode**2 / (episodes - 1) + by_rest**2 / ((seeds - 1) * (episodes - 1))
    constant = scaled == 0  # no variation: the interval is a single point
    freedom = np.where(constant, 1, scaled) ** 2 / np.where(constant, 1, terms)
    freedom = np.maximum(freedom, min(seeds, episodes) - 1)  # at least that of the smaller factor
    reaches = stdtrit(freedom, 0.975) * np.sqrt(scaled / (seeds * episodes))
    differences = (means[first] - means[second]).ravel()
    return [
        Interval(mean, mean - reach, mean + reach, 0.95, covers)
        for mean, reach in zip(differences.tolist(), reaches.tolist(), strict=True)
    ]


def _squared_distances(points: Array, first: NDArray[np.int64], second: NDArray[np.int64]) -> Array:
    """Return ‖first − second‖² for pairs of points [n, d]; differences from 0 by rounding only become 0."""
    products = points @ points.T
    lengths = np.diagonal(products)[first] + np.diagonal(products)[second]
    squared = lengths - 2 * products[first, second]
    return np.where(squared > ROUNDING * lengths, squared, 0.0)
