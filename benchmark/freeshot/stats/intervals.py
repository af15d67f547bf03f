"""Student-t intervals over episodes and small statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Values = Sequence[float] | NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A mean with its interval, and a description of the sources of randomness that the interval covers."""

    mean: float
    low: float
    high: float
    level: float
    covers: str
    """What was resampled: 'episodes' does not cover other images or other training seeds."""

    @property
    def half_width(self) -> float:
        """Half of the interval's width."""
        return (self.high - self.low) / 2

    @property
    def excludes_zero(self) -> bool:
        """True if the interval lies entirely on one side of zero."""
        return self.low > 0 or self.high < 0


def student_t(values: Values, level: float = 0.95, covers: str = "episodes") -> Interval:
    """Return the mean of values with its Student-t interval (n − 1 degrees of freedom).

    With a single value the interval is that point, because its variance is unknown.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.size == 0 or not np.isfinite(sample).all():
        raise ValueError("An interval needs at least one value, and all values must be finite.")
    mean = float(sample.mean())
    if sample.size == 1:
        return Interval(mean, mean, mean, level, covers)
    from scipy.special import stdtrit  # scipy.stats takes a second to import, its quantile function does not

    error = float(sample.std(ddof=1)) / np.sqrt(sample.size)
    reach = float(stdtrit(sample.size - 1, (1 + level) / 2)) * float(error)
    return Interval(mean, mean - reach, mean + reach, level, covers)


def binomial(successes: int, trials: int, level: float = 0.95, covers: str = "images") -> Interval:
    """Return a proportion with its exact interval (Clopper and Pearson, 1934)."""
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = float(betaincinv(successes, trials - successes + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, trials - successes, 1 - tail)) if successes < trials else 1.0
    return Interval(successes / trials, low, high, level, covers)


def paired_difference(first: Values, second: Values, level: float = 0.95) -> Interval:
    """Return the interval of first − second over the same episodes, in the same order."""
    if len(first) != len(second):
        raise ValueError(f"Paired values must be equally many, but {len(first)} and {len(second)} were given.")
    return student_t(
        np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64), level, "episodes, paired"
    )


def worst_tenth(values: Values) -> float:
    """Return the mean of the lowest tenth of the values, at least of one (CVaR at 10 %): accuracy on hard episodes."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    if ordered.size == 0:
        raise ValueError("The worst tenth needs at least one value.")
    return float(ordered[: max(1, ordered.size // 10)].mean())
