"""Query outcomes, and whether they changed by more than rounding under a variation.

Axes: s episodes, q queries of an episode, k of them shown, c classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from freeshot.evaluation.metrics import QueryOutcomes
from freeshot.evaluation.variations import Shown

MOVED = 0.01
"""Change of a probability above which a prediction counts as changed.

Sums in another order change float32 logits by about 1e-6 of their size, and ten steps of Adam amplify that to about
1e-4 in a probability; a learner that uses order, other queries or earlier episodes changes probabilities by tenths.
"""
TOLERATED = 0.02
"""Tolerated share of changed queries, and at least one query: votes and nearest neighbours are discontinuous at ties,
and a learner gains nothing from so few."""
SIGNIFICANT = 12.0
"""Student's t over FEW episodes above which numbering counts; honest rows reach it once in 28,000 cells."""


@dataclass(frozen=True, eq=False)
class Outcomes:
    """The part of outcomes that the audit compares."""

    right: NDArray[np.bool_]
    """[s, k]."""
    truth: NDArray[np.float64]
    """Probability of the true class [s, k]."""
    confidence: NDArray[np.float64]
    """Probability of the most likely class [s, k]."""

    @classmethod
    def of_run(cls, run: QueryOutcomes, episodes: Sequence[int]) -> Outcomes:
        """Select some episodes of a run, queries in the order of the episode list [s, q]."""
        rows = list(episodes)
        truth = 1 / (1 + np.exp(run.log_odds[rows].astype(np.float64)))
        return cls(run.right[rows], truth, run.confidence[rows].astype(np.float64))

    @classmethod
    def of_logits(cls, logits: Tensor, shown: Sequence[Shown]) -> Outcomes:
        """Compute outcomes from logits [s, k, c] of episodes as shown."""
        scores = logits.double().numpy()
        odds = np.exp(scores - scores.max(-1, keepdims=True))
        probabilities = odds / odds.sum(-1, keepdims=True)
        answers = np.stack([episode.answers for episode in shown])  # [s, k]
        truth = np.take_along_axis(probabilities, answers[..., None], -1)[..., 0]
        return cls(scores.argmax(-1) == answers, truth, probabilities.max(-1))

    def at(self, queries: NDArray[np.int64]) -> Outcomes:
        """Select queries by their indices [s, k]."""
        right, truth, confidence = self.right, self.truth, self.confidence
        return Outcomes(*(np.take_along_axis(values, queries, 1) for values in (right, truth, confidence)))  # type: ignore[arg-type]

    def moved(self, other: Outcomes) -> NDArray[np.bool_]:
        """Return which predictions differ by more than rounding [s, k]."""
        gaps = np.maximum(np.abs(self.truth - other.truth), np.abs(self.confidence - other.confidence))
        differ: NDArray[np.bool_] = gaps > MOVED
        return differ


@dataclass(frozen=True, eq=False)
class Rescored:
    """Episodes that were scored again."""

    queries: NDArray[np.int64]
    """Indices of the queries shown, in the order shown [s, k]."""
    outcomes: Outcomes

    def moved(self, base: Outcomes) -> NDArray[np.bool_]:
        """Compare with outcomes of all queries [s, q] in the order of the episode list: [s, k]."""
        return self.outcomes.moved(base.at(self.queries))

    def listed(self) -> Outcomes:
        """Return the outcomes in the order of the episode list; every query must have been shown."""
        return self.outcomes.at(self.queries.argsort(1))


def joined(parts: Sequence[Outcomes]) -> Outcomes:
    """Concatenate outcomes."""
    names = ("right", "truth", "confidence")
    return Outcomes(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def too_many(moved: NDArray[np.bool_]) -> bool:
    """Return whether more predictions changed than rounding explains."""
    return int(moved.sum()) > max(1, int(TOLERATED * moved.size))


def gains_by_numbering(run: NDArray[np.bool_], again: NDArray[np.bool_]) -> bool:
    """Return whether class numbers raised accuracy, given correct queries of the run [s, k] and renumbered ones.

    For learners with random initial class numbers, or that learned what numbers mean: renumbering changes their
    predictions as another seed would, but must not reduce accuracy. Tested by Student's t over episodes.
    """
    gains = run.mean(1) - again.mean(1)  # [s]
    if len(gains) < 2:
        return False  # one episode has no standard error
    mean, error = float(gains.mean()), float(gains.std(ddof=1)) / math.sqrt(len(gains))
    return mean > SIGNIFICANT * error if error > 0 else mean > 0
