"""Equivalence tests of two runs over the same episodes; a missing difference does not prove equivalence.

Two one-sided paired t-tests (TOST; Schuirmann, 1987) against ±`within`: both must reject at the level. This is the same
as the (1 − 2 · level) interval of the difference lying inside ±`within`. Values are accuracies, 0…1. Own code, because
`scipy.stats.ttest_1samp` is undefined for constant differences, which runs of the same code often have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from freeshot.stats.intervals import Interval, paired_difference

Agreement = Literal["the same bits", "equivalent", "different", "not shown"]
LEVEL = 0.05


@dataclass(frozen=True)
class Equivalence:
    """Result of an equivalence test on the paired differences of two runs."""

    agreement: Agreement
    interval: Interval
    """Student's t of first − second, at 1 − 2 · level."""
    within: float
    p_low: float
    """One-sided p of the null hypothesis difference ≤ −within."""
    p_high: float
    """One-sided p of the null hypothesis difference ≥ +within."""


def equivalence(first: Sequence[float], second: Sequence[float], within: float) -> Equivalence:
    """Test two runs for equivalence, episode by episode; ValueError if their lengths differ.

    "different" means that the interval lies entirely outside ±within; an interval that overlaps a bound is "not shown".
    """
    interval = paired_difference(first, second, 1 - 2 * LEVEL)
    differences = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    low, high = _p_above(differences, -within), _p_above(-differences, -within)
    agreement: Agreement = "not shown"
    if list(first) == list(second):
        agreement = "the same bits"
    elif max(low, high) < LEVEL:
        agreement = "equivalent"
    elif len(first) > 1 and (interval.low > within or interval.high < -within):
        agreement = "different"
    return Equivalence(agreement, interval, within, low, high)


def _p_above(values: NDArray[np.float64], bound: float) -> float:
    """Return the one-sided p of the null hypothesis mean ≤ bound; 1 for fewer than two values."""
    if values.size < 2:
        return 1.0
    from scipy.special import stdtr

    mean, error = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(values.size)
    if error == 0:
        return 0.0 if mean > bound else 1.0
    return float(stdtr(values.size - 1, -(mean - bound) / error))
