"""Ranks that rows share if their difference is not significant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence


def mean(values: Sequence[float]) -> float:
    """Average at least one value."""
    return sum(values) / len(values)


def competition_ranks(scores: Mapping[str, Sequence[float]], apart: Callable[[str, str], bool]) -> dict[str, int]:
    """Rank rows by the mean of their paired accuracies, as in 1, 1, 3.

    A row shares the rank of the best row of the group unless the two are significantly different (`apart`).
    """
    order = sorted(scores, key=lambda label: (-mean(scores[label]), label))
    ranks: dict[str, int] = {}
    best = ""
    for place, label in enumerate(order, start=1):
        if place == 1 or apart(best, label):
            best = label
            ranks[label] = place
        else:
            ranks[label] = ranks[best]
    return ranks
