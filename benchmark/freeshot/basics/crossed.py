"""The mean over training seeds and episodes, where every seed met the same episodes: both count as drawn by chance.

    accuracy[s, e] = mean + seed[s] + episode[e] + rest[s, e]
    variance of the mean = var(seed)/s + var(episode)/e + var(rest)/(s·e)

The parts are estimated by the mean squares of a two-way layout without replication (Searle, Casella & McCulloch,
Variance Components, 1992, ch. 4), the degrees of freedom by Satterthwaite (1946). Simulated, an interval of 95 % covers
92 to 97 % from three seeds on; with two seeds, where seeds vary far more than episodes, down to 87 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from freeshot.basics.statistics import Interval, student_t

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = Sequence[Sequence[float]] | NDArray[np.float64]


@dataclass(frozen=True)
class Layers:
    """Variances of the single values by where they come from; an estimate below zero counts as zero."""

    seeds: float
    episodes: float
    rest: float


def crossed(values: Values, level: float = 0.95, covers: str = "episodes and training seeds") -> Interval:
    """Return the mean of values [s, e] with its interval over seeds and episodes.

    With one seed it is Student's interval over episodes and says so; with one episode it is that over seeds.
    """
    table = _table(values)
    seeds, episodes = table.shape
    if seeds == 1:
        return student_t(table[0], level)
    if episodes == 1:
        return student_t(table[:, 0], level, "training seeds")
    return crossed_each(table[None], level, covers)[0]


def crossed_each(
    tables: NDArray[np.float64], level: float = 0.95, covers: str = "episodes and training seeds"
) -> list[Interval]:
    """Return `crossed` of each of k tables [k, s, e], with two seeds and two episodes at least."""
    from scipy.special import stdtrit

    _, seeds, episodes = tables.shape
    by_seed, by_episode, rest = _mean_squares(tables)  # [k] each
    # variance of the mean, times s·e
    scaled = np.maximum(by_seed - rest, 0) + np.maximum(by_episode - rest, 0) + rest
    parts = by_seed**2 / (seeds - 1) + by_episode**2 / (episodes - 1) + rest**2 / ((seeds - 1) * (episodes - 1))
    still = scaled == 0  # nothing varies: the interval is the point
    freedom = np.where(still, 1, scaled) ** 2 / np.where(still, 1, parts)
    freedom = np.maximum(freedom, min(seeds, episodes) - 1)  # never fewer than the scarcer of the two gives
    reaches = stdtrit(freedom, (1 + level) / 2) * np.sqrt(scaled / (seeds * episodes))
    means = tables.mean(axis=(1, 2))
    return [
        Interval(mean, mean - reach, mean + reach, level, covers)
        for mean, reach in zip(means.tolist(), reaches.tolist(), strict=True)
    ]


def layers(values: Values) -> Layers:
    """Split the variance of values [s, e] of at least two seeds and two episodes."""
    table = _table(values)
    seeds, episodes = table.shape
    if min(seeds, episodes) < 2:
        raise ValueError(f"Variances take two seeds and two episodes at least, but {seeds} and {episodes} were given.")
    by_seed, by_episode, rest = (float(one[0]) for one in _mean_squares(table[None]))
    return Layers(max(by_seed - rest, 0.0) / episodes, max(by_episode - rest, 0.0) / seeds, rest)


def _table(values: Values) -> NDArray[np.float64]:
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.size == 0 or not np.isfinite(table).all():
        raise ValueError("An interval needs finite values [seeds, episodes], at least one of each.")
    return table


def _mean_squares(
    tables: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return those between seeds, between episodes, and of what neither explains, of tables [k, s, e]: [k] each."""
    _, seeds, episodes = tables.shape
    mean = tables.mean(axis=(1, 2), keepdims=True)
    of_seed = tables.mean(axis=2, keepdims=True) - mean  # [k, s, 1]
    of_episode = tables.mean(axis=1, keepdims=True) - mean  # [k, 1, e]
    rest = tables - mean - of_seed - of_episode
    return (
        episodes * (of_seed**2).sum(axis=(1, 2)) / (seeds - 1),
        seeds * (of_episode**2).sum(axis=(1, 2)) / (episodes - 1),
        np.einsum("kse,kse->k", rest, rest) / ((seeds - 1) * (episodes - 1)),
    )
