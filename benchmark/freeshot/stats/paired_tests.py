"""Paired comparison of two rows over the same episodes: intervals, tests and a verdict.

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
DIGITS = 12
"""Decimals of differences: signs, ranks and ties depend on exact equality, so floating-point noise is removed."""


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


def evidence(differences: Values) -> Evidence:
    """Compute the statistics of at least two differences."""
    values = np.asarray(differences, dtype=np.float64)[:, None].round(DIGITS)
    return pairwise(np.hstack([values, np.zeros_like(values)]), [(0, 1)])[0]


def pairwise(accuracies: NDArray[np.float64], pairs: Sequence[tuple[int, int]]) -> tuple[Evidence, ...]:
    """Compute statistics of differences of columns of accuracies [e, n] for each pair; all pairs share resamples."""
    values = between(accuracies.T, pairs).T.round(DIGITS)  # [e, pairs]
    bca = bca_intervals(values, between(bootstrapped(accuracies), pairs), 0.95, PAIRED)
    flips = sign_flip_shares(values, between(flipped(accuracies), pairs))
    ranks = wilcoxon_each(values)
    each = []
    for k, column in enumerate(values.T):
        interval = student_t(column, covers=PAIRED)
        deviation = float(column.std(ddof=1)) if column.size > 1 else 0.0
        effect = interval.mean / deviation if deviation > 0 else 0.0
        each.append(Evidence(interval, bca[k], flips[k], ranks[k], effect, superiority(column)))
    return tuple(each)


def superiority(differences: NDArray[np.float64]) -> float:
    """Return the share of positive differences, zeros counted half."""
    values = differences.round(DIGITS)
    return np.count_nonzero(values > 0) / values.size + np.count_nonzero(values == 0) / values.size / 2


def wilcoxon(differences: Values) -> float:
    """Return the two-sided p of Wilcoxon's signed ranks; 1 if all differences are zero."""
    return wilcoxon_each(np.asarray(differences, dtype=np.float64)[:, None].round(DIGITS))[0]


def wilcoxon_each(values: NDArray[np.float64]) -> list[float]:
    """Return the p of Wilcoxon's signed ranks for each column of values [e, m].

    It is exact for few non-zero values, by own code: scipy's exact test with ties takes 0.07 s a column.
    """
    from scipy.stats import rankdata, wilcoxon

    p_values = np.ones(values.shape[1])
    count = np.count_nonzero(values, axis=0)
    for k in np.flatnonzero(count <= EXACT):
        column = values[values[:, k] != 0, k]
        p_values[k] = all_signs(np.sign(column) * rankdata(np.abs(column))) if column.size else 1.0
    sizes = np.sort(np.abs(values), axis=0)
    tied = (sizes[0] == 0) | (np.diff(sizes, axis=0) == 0).any(axis=0)  # scipy uses another formula with ties
    for group in ((count > EXACT) & tied, (count > EXACT) & ~tied):
        if group.any():
            p_values[group] = wilcoxon(values[:, group], axis=0).pvalue
    return [float(p) for p in p_values]


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for multiple testing (Holm, 1979), which scipy lacks; compare each result with the level."""
    order = np.argsort(p_values, kind="stable")
    stepped = np.maximum.accumulate(np.asarray(p_values)[order] * np.arange(len(order), 0, -1))
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(stepped, 1)
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
