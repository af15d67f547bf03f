"""Paired comparison of two rows over the same episodes: intervals, tests and a verdict. Uses scipy where it can.

Differences are taken per episode, which cancels the difficulty that both rows share. Values are differences [e] in
units of accuracy, 0…1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from freeshot.stats.bootstrap import (
    EXACT,
    all_signs,
    bca_intervals,
    between,
    bootstrapped,
    flipped,
    sign_flip_shares,
)
from freeshot.stats.intervals import Interval, student_t

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Values = Sequence[float] | NDArray[np.float64]

Verdict = Literal["better", "equal", "worse", "undecided"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
EQUIVALENT = 0.005
"""Half of the region of practical equivalence: differences below half a point do not matter in practice."""
PAIRED = "episodes, paired"


@dataclass(frozen=True)
class Evidence:
    """Statistics of the paired differences of two rows."""

    interval: Interval
    """Student's t over episodes."""
    bca: Interval
    """Bootstrap over episodes, bias-corrected and accelerated."""
    sign_flip: float
    """Two-sided p: share of random sign flips that give as large a mean."""
    wilcoxon: float
    """Two-sided p of the signed ranks; robust against outliers."""
    effect: float
    """Mean over standard deviation of the differences (Cohen's d_z); 0 if there are none."""
    superiority: float
    """Share of episodes that the first row wins, ties counted half."""


def evidence(differences: Values, level: float = 0.95, seed: int = 0) -> Evidence:
    """Compute the statistics of at least two differences."""
    values = _column(differences)
    (found,) = pairwise(np.hstack([values, np.zeros_like(values)]), [(0, 1)], level, seed)
    return found


def pairwise(
    accuracies: NDArray[np.float64], pairs: Sequence[tuple[int, int]], level: float = 0.95, seed: int = 0
) -> tuple[Evidence, ...]:
    """Compute statistics of differences of columns of accuracies [e, n] for each pair; all pairs share resamples."""
    values = _rounded(between(accuracies.T, pairs).T)  # [e, pairs]
    boot = bca_intervals(values, between(bootstrapped(accuracies, seed), pairs), level, PAIRED)
    flips = sign_flip_shares(values, between(flipped(accuracies, seed), pairs))
    ranks = wilcoxon_each(values)
    return tuple(
        Evidence(
            interval := student_t(column, level, PAIRED),
            boot[place],
            flips[place],
            ranks[place],
            _effect(column, interval.mean),
            superiority(column),
        )
        for place, column in enumerate(values.T)
    )


def superiority(differences: NDArray[np.float64]) -> float:
    """Return the share of positive differences, zeros counted half."""
    values = _rounded(differences)
    return np.count_nonzero(values > 0) / values.size + np.count_nonzero(values == 0) / values.size / 2


def wilcoxon(differences: Values) -> float:
    """Return the two-sided p of Wilcoxon's signed ranks; 1 if all differences are zero."""
    return wilcoxon_each(_column(differences))[0]


def wilcoxon_each(values: NDArray[np.float64]) -> list[float]:
    """Return the p of Wilcoxon's signed ranks for each column of values [e, m]; exact for few non-zero values."""
    from scipy.stats import rankdata, wilcoxon

    found = np.ones(values.shape[1])
    count = np.count_nonzero(values, axis=0)
    for k in np.flatnonzero(count <= EXACT):
        column = values[values[:, k] != 0, k]
        found[k] = all_signs(np.sign(column) * rankdata(np.abs(column))) if column.size else 1.0
    sizes = np.sort(np.abs(values), axis=0)
    tied = (sizes[0] == 0) | (np.diff(sizes, axis=0) == 0).any(axis=0)  # scipy uses another formula with ties
    for group in ((count > EXACT) & tied, (count > EXACT) & ~tied):
        if group.any():
            found[group] = wilcoxon(values[:, group], axis=0).pvalue
    return [float(p) for p in found]


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for multiple testing (Holm, 1979); compare each result with the level directly."""
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(len(p_values))
    running = 0.0
    for place, index in enumerate(order):
        running = max(running, (len(p_values) - place) * p_values[index])
        adjusted[index] = min(1.0, running)
    return [float(p) for p in adjusted]


def verdict(interval: Interval, equivalent: float = EQUIVALENT) -> Verdict:
    """Classify an interval against the region of practical equivalence ±`equivalent`.

    "better" or "worse" if it lies entirely outside the region, "equal" if entirely inside, else "undecided".
    """
    if interval.low > equivalent:
        return "better"
    if interval.high < -equivalent:
        return "worse"
    if -equivalent <= interval.low and interval.high <= equivalent:
        return "equal"
    return "undecided"


def _column(values: Values) -> NDArray[np.float64]:
    return _rounded(np.asarray(values, dtype=np.float64)[:, None])


def _rounded(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round away floating-point noise: signs, ranks and ties depend on exact equality."""
    return np.round(differences, 12)


def _effect(differences: NDArray[np.float64], mean: float) -> float:
    spread = float(differences.std(ddof=1)) if differences.size > 1 else 0.0
    return mean / spread if spread > 0 else 0.0
