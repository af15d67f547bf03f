"""Two rows over the same episodes: intervals, tests and a verdict; scipy does what it can do.

A difference is taken episode by episode, so that what makes an episode hard for both cancels out. Values are
differences [e] in units of accuracy, 0…1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from freeshot.basics.statistics import Interval, student_t

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Values = Sequence[float] | NDArray[np.float64]

Verdict = Literal["better", "equal", "worse", "undecided"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
EQUIVALENT = 0.005
"""Half of the region of practical equivalence: differences below half a point matter to nobody."""
RESAMPLES = 9_999


@dataclass(frozen=True)
class Evidence:
    """What the differences of two rows say."""

    interval: Interval
    """Student's t over episodes."""
    bca: Interval
    """Bootstrap over episodes, bias-corrected and accelerated."""
    sign_flip: float
    """Two-sided p: how often random signs give as large a mean."""
    wilcoxon: float
    """Two-sided p of the signed ranks, a check that outliers do not decide."""
    effect: float
    """Mean over standard deviation of the differences (Cohen's d_z); 0 where nothing differs."""
    superiority: float
    """Share of episodes that the first row wins, ties counted half."""


def evidence(differences: Values, level: float = 0.95, seed: int = 0) -> Evidence:
    """Weigh at least two differences."""
    values = np.asarray(differences, dtype=np.float64)
    interval = student_t(values, level, "episodes, paired")
    spread = float(values.std(ddof=1)) if values.size > 1 else 0.0
    return Evidence(
        interval,
        bca(values, level, seed),
        sign_flip(values, seed),
        wilcoxon(values),
        interval.mean / spread if spread > 0 else 0.0,
        float((values > 0).mean() + (values == 0).mean() / 2),
    )


def bca(differences: Values, level: float = 0.95, seed: int = 0) -> Interval:
    """Return the BCa bootstrap interval of the mean; Student's where all values are alike, or fewer than three."""
    values = np.asarray(differences, dtype=np.float64)
    plain = student_t(values, level, "episodes, paired")
    if values.size < 3 or np.ptp(values) == 0:
        return plain
    from scipy.stats import bootstrap

    found = bootstrap(
        (values,), np.mean, n_resamples=RESAMPLES, batch=1000, confidence_level=level, rng=np.random.default_rng(seed)
    ).confidence_interval
    if not np.isfinite([found.low, found.high]).all():
        return plain  # so few differ that the acceleration has no value
    return Interval(plain.mean, float(found.low), float(found.high), level, plain.covers)


def sign_flip(differences: Values, seed: int = 0, resamples: int = RESAMPLES) -> float:
    """Return the two-sided p of the mean under random signs; exact where there are few enough of them."""
    values = np.asarray(differences, dtype=np.float64)
    values = values[values != 0]  # a difference of zero has no sign to flip
    if values.size == 0:
        return 1.0
    extreme = abs(values.sum()) * (1 - 1e-12)
    if values.size <= 12:
        signs = 1 - 2 * ((np.arange(2**values.size)[:, None] >> np.arange(values.size)) & 1)  # [2^e, e]
        return float((np.abs(signs @ values) >= extreme).mean())
    rng = np.random.default_rng(seed)
    hits = 0
    for start in range(0, resamples, 1000):
        signs = 1 - 2 * rng.integers(0, 2, (min(1000, resamples - start), values.size), dtype=np.int8)  # [b, e]
        hits += int((np.abs(signs @ values) >= extreme).sum())
    return (hits + 1) / (resamples + 1)


def wilcoxon(differences: Values) -> float:
    """Return the two-sided p of Wilcoxon's signed ranks; 1 where nothing differs."""
    values = np.asarray(differences, dtype=np.float64)
    if not (values != 0).any():
        return 1.0
    from scipy.stats import wilcoxon as test

    return float(test(values).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for how many there are (Holm, 1979): each can be held against the level as it stands."""
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(len(p_values))
    running = 0.0
    for place, index in enumerate(order):
        running = max(running, (len(p_values) - place) * p_values[index])
        adjusted[index] = min(1.0, running)
    return [float(p) for p in adjusted]


def verdict(interval: Interval, equivalent: float = EQUIVALENT) -> Verdict:
    """Say what an interval shows against the region of practical equivalence ±`equivalent`.

    Better or worse where it lies wholly outside of the region, equal where wholly inside, else undecided.
    """
    if interval.low > equivalent:
        return "better"
    if interval.high < -equivalent:
        return "worse"
    if -equivalent <= interval.low and interval.high <= equivalent:
        return "equal"
    return "undecided"
