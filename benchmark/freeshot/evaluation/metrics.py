"""Per-query outcomes and the metrics derived from them: accuracy, calibration, recall, difficulty.

Axes: e episodes, q queries of an episode, c classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from freeshot.contracts.tensors import Episode
from freeshot.records.models import Quality

BINS = 15
"""Bins of equal width for the calibration error (Guo et al., 2017)."""


@dataclass(frozen=True, eq=False)
class QueryOutcomes:
    """Outcomes of the queries of episodes."""

    right: NDArray[np.bool_]
    """Whether the query was classified correctly [e, q]."""
    confidence: NDArray[np.float32]
    """Probability of the most likely class [e, q]."""
    brier: NDArray[np.float32]
    """Squared distance between the probabilities and the true class [e, q]."""
    log_odds: NDArray[np.float32]
    """log((1 − p)/p) of the true class [e, q]."""
    predicted: NDArray[np.int16]
    """Predicted class, 0…c−1 [e, q]."""
    log_probabilities: NDArray[np.float32]
    """Log-softmax of the scores [e, q, c]."""

    @property
    def accuracies(self) -> list[float]:
        """Share of correct queries, per episode."""
        means: list[float] = self.right.mean(1, dtype=np.float64).tolist()
        return means

    @property
    def hardness(self) -> list[float]:
        """Mean log-odds against the true class, per episode (Dhillon et al., 2020)."""
        return [round(value, 4) for value in self.log_odds.mean(1, dtype=np.float64).tolist()]


def score_queries(logits: Tensor, labels: Tensor, predicted: Tensor) -> QueryOutcomes:
    """Compute outcomes from logits [e, q, c], true classes [q] and predictions [e, q]."""
    truth = labels.view(1, -1, 1).expand(len(logits), -1, 1)
    logs = logits.log_softmax(-1)  # [e, q, c]
    probabilities = logs.exp()
    own = logs.gather(-1, truth).squeeze(-1)  # [e, q]
    others = logs.scatter(-1, truth, float("-inf")).logsumexp(-1)  # [e, q]; 1 − p would underflow for p close to 1
    brier = probabilities.square().sum(-1) - 2 * own.exp() + 1  # [e, q]
    return QueryOutcomes(
        (predicted == labels).numpy(),
        probabilities.amax(-1).float().numpy(),
        brier.float().numpy(),
        (others - own).float().numpy(),
        predicted.to(torch.int16).numpy(),
        logs.float().numpy(),
    )


FIELDS = tuple(field.name for field in fields(QueryOutcomes))


def concatenate(parts: Sequence[QueryOutcomes]) -> QueryOutcomes:
    """Concatenate the outcomes of episodes."""
    return QueryOutcomes(*(np.concatenate([getattr(part, name) for part in parts]) for name in FIELDS))


def quality(outcomes: QueryOutcomes, episodes: Sequence[Episode], classes: Sequence[str]) -> Quality:
    """Compute calibration and recall per class; `classes` maps class ids to names."""
    return Quality(
        ece=round(calibration_error(outcomes.confidence, outcomes.right), 6),
        brier=round(float(outcomes.brier.mean(dtype=np.float64)), 6),
        recall=_recall(outcomes, episodes, classes),
    )


def calibration_error(confidence: NDArray[np.float32], right: NDArray[np.bool_]) -> float:
    """Average |accuracy − confidence| over bins of equal width, weighted by bin size (ECE)."""
    bins = np.minimum((confidence.ravel() * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(bins, right.ravel(), BINS) - np.bincount(bins, confidence.ravel().astype(np.float64), BINS)
    return float(np.abs(gaps).sum() / bins.size)


def _recall(outcomes: QueryOutcomes, episodes: Sequence[Episode], classes: Sequence[str]) -> dict[str, float]:
    """Return each class's share of correct queries; queries are ordered class by class."""
    ids = np.array([e.classes for e in episodes])  # [e, c]
    right = outcomes.right.reshape(len(ids), ids.shape[1], -1)  # [e, c, queries of a class]
    counts = np.bincount(ids.ravel(), minlength=len(classes)) * right.shape[2]
    hits = np.bincount(ids.ravel(), right.sum(2).ravel(), len(classes))
    return {name: round(float(hits[i] / counts[i]), 6) for i, name in enumerate(classes) if counts[i]}


def as_tensors(outcomes: QueryOutcomes) -> dict[str, Tensor]:
    """Convert outcomes to named tensors for safetensors."""
    return {name: torch.from_numpy(getattr(outcomes, name)) for name in FIELDS}


def from_tensors(tensors: Mapping[str, Tensor]) -> QueryOutcomes:
    """Invert `as_tensors`; KeyError if one is missing."""
    return QueryOutcomes(**{name: tensors[name].numpy() for name in FIELDS})
