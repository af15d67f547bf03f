"""Ranks in which rows that cannot be told apart share a place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from freeshot.basics.statistics import paired_difference

if TYPE_CHECKING:
    from numpy.typing import NDArray


def mean(values: Sequence[float]) -> float:
    """Average at least one value."""
    return sum(values) / len(values)


def competition_ranks(scores: Mapping[str, Sequence[float]]) -> dict[str, int]:
    """Rank rows by the mean of their paired accuracies, as in 1, 1, 3.

    A row shares the rank of the group's best as long as the paired interval between the two includes zero.
    """
    order = sorted(scores, key=lambda label: (-mean(scores[label]), label))
    values = {label: np.asarray(scores[label]) for label in order}
    ranks: dict[str, int] = {}
    best = ""
    for place, label in enumerate(order, start=1):
        if place == 1 or _apart(values[best], values[label]):
            best = label
            ranks[label] = place
        else:
            ranks[label] = ranks[best]
    return ranks


def _apart(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    # one episode has no spread: its interval is a point and would tell everything apart
    return len(first) > 1 and paired_difference(first, second).excludes_zero
