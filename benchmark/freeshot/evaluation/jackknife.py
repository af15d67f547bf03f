"""Standard errors over images and classes by the delete-a-group jackknife on features.

The interval over episodes covers the sampling of tasks from *these* images only. The jackknife estimates the variation
over other images of the same classes by leaving out one group of images at a time. Tasks are drawn once; the tasks
without images of a group are distributed like tasks drawn without that group. The additional variance of task sampling
is estimated from blocks of tasks and subtracted.

Axes: e episodes, n support images, q queries, g groups, b blocks of episodes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from freeshot.evaluation.scoring import Head, score_features
from freeshot.stats.intervals import Interval

GROUPS = 20
"""Minimal number of image groups; one is left out at a time."""
DRAWS = 10_000
BLOCKS = 20
CHUNK = 200
"""Tasks drawn at a time; results depend on it."""


@dataclass(frozen=True)
class StandardError:
    """A standard error with its degrees of freedom."""

    size: float
    freedom: int


@dataclass(frozen=True)
class SamplingError:
    """Standard errors of a mean accuracy, in addition to that of task sampling."""

    images: StandardError
    """Over other images of the same classes."""
    classes: StandardError | None
    """Over other classes with other images; None if there are no more classes than a task has."""


def measure_sampling_error(
    features: Tensor,
    labels: NDArray[np.int64],
    way: int,
    shot: int,
    query: int,
    seed: int,
    draws: int = DRAWS,
    head: Head | None = None,
    keys: Tensor | None = None,
) -> SamplingError | None:
    """Estimate how a head's accuracy depends on images and classes from features [u, d] and labels [u].

    Uses every class with at least `shot` + `query` images; None if these are fewer than a task needs. A learner's own
    `head` gets queries in the order of their images' `keys` [u].
    """
    rng = np.random.default_rng(seed)
    enough = np.flatnonzero(np.bincount(labels) >= shot + query)
    if len(enough) < way:
        return None
    supports, queries = draw_tasks(labels, way, shot, query, draws, rng)
    rows = torch.from_numpy(supports), torch.from_numpy(queries)
    right = score_features(features, *rows, way, head, keys).right
    # with as many groups as support images, a third of the tasks use no image of a given group
    count = min(len(labels), max(GROUPS, way * shot))
    groups = image_groups(labels, count, rng)
    images = StandardError(jackknife(right, groups[supports], groups[queries], count), count - 1)
    if len(enough) == way:
        return SamplingError(images, None)
    class_of = np.searchsorted(enough, labels)
    classes = jackknife(right, class_of[supports], class_of[queries], len(enough))
    return SamplingError(images, StandardError(classes, len(enough) - 1))


def spread_intervals(interval: Interval, values: Sequence[float], spread: SamplingError) -> tuple[Interval, ...]:
    """Return wider intervals around the mean of `values`, one value per episode, whose own interval is `interval`."""
    own = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    intervals = [_wider(interval, own, spread.images, "episodes and images")]
    if spread.classes is not None:
        intervals.append(_wider(interval, own, spread.classes, "episodes, images and classes"))
    return tuple(intervals)


def _wider(interval: Interval, own: float, error: StandardError, covers: str) -> Interval:
    from scipy.special import stdtrit

    reach = float(stdtrit(error.freedom, (1 + interval.level) / 2)) * math.hypot(own, error.size)
    return Interval(interval.mean, interval.mean - reach, interval.mean + reach, interval.level, covers)


def draw_tasks(
    labels: NDArray[np.int64], way: int, shot: int, query: int, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw support images [e, n] and query images [e, q], class by class, from images with these labels [u].

    Not for the frozen lists, which `episodes` draws one by one.
    """
    counts = np.bincount(labels)
    large = np.flatnonzero(counts >= shot + query)
    members = np.full((len(large), counts.max()), -1)  # [c, most images of a class]
    for row, label in enumerate(large):
        members[row, : counts[label]] = np.flatnonzero(labels == label)
    support, queries = [], []
    for start in range(0, count, CHUNK):
        size = min(CHUNK, count - start)
        classes = rng.random((size, len(large))).argsort(1)[:, :way]  # [e, way]
        candidates = members[classes]  # [e, way, most]
        keys = np.where(candidates < 0, 2.0, rng.random(candidates.shape, dtype=np.float32))
        order = np.argpartition(keys, shot + query - 1)[..., : shot + query]
        order = np.take_along_axis(order, np.take_along_axis(keys, order, 2).argsort(2), 2)
        chosen = np.take_along_axis(candidates, order, 2)  # [e, way, shot + query]
        support.append(chosen[..., :shot].reshape(size, -1))
        queries.append(chosen[..., shot:].reshape(size, -1))
    return np.concatenate(support), np.concatenate(queries)


def image_groups(labels: NDArray[np.int64], groups: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Assign the images of each class to groups randomly and evenly: group of each image [u]."""
    dealt = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        dealt[members] = (np.arange(len(members)) + rng.integers(groups)) % groups
    return dealt


def jackknife(
    right: NDArray[np.bool_], support: NDArray[np.int64], query: NDArray[np.int64], groups: int, blocks: int = BLOCKS
) -> float:
    """Return the standard error of a mean accuracy over groups.

    `right` [e, q] marks the correct queries, `support` [e, n] and `query` [e, q] are the group of each image. Leaving
    out group g changes the mean by d_g; the jackknife's variance is (g − 1)/g · Σ d_g² (Tukey; Wu, 1986). The variance
    of task sampling, estimated from the blocks, is subtracted from each d_g².
    """
    size = len(right) // blocks
    parts = [slice(b * size, (b + 1) * size) for b in range(blocks)]
    moves = np.array([_moves(right[part], support[part], query[part], groups) for part in parts])  # [b, g]
    squares = moves.mean(0) ** 2 - moves.var(0, ddof=1) / blocks  # [g]
    return float(np.sqrt(max(0.0, (groups - 1) / groups * squares.sum())))


def _moves(
    right: NDArray[np.bool_], support: NDArray[np.int64], query: NDArray[np.int64], groups: int
) -> NDArray[np.float64]:
    """Return the change of the mean of one block's tasks for each left-out group [g]."""
    rows = np.arange(len(right))
    uses = np.zeros((len(right), groups), dtype=bool)
    uses[rows[:, None], support] = True  # [e, g]
    cells = rows[:, None] * groups + query  # [e, q]
    queries_of_group = np.bincount(cells.ravel(), minlength=uses.size).reshape(uses.shape)
    hits = np.bincount(cells.ravel(), right.ravel(), uses.size).reshape(uses.shape)
    left = np.where(uses, 0, query.shape[1] - queries_of_group).sum(0)  # [g]
    kept = np.where(uses, 0, right.sum(1, keepdims=True) - hits).sum(0)
    means = kept / np.maximum(left, 1)
    moves: NDArray[np.float64] = means - means.mean()
    return moves
