"""Variations of the presentation of an episode: other orders, class numbers and sets of queries.

Axes: s episodes, n support images, q queries of an episode, k of them shown, c classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from freeshot.contracts.tensors import Episode


@dataclass(frozen=True)
class Variation:
    """What is presented differently."""

    order: bool = False
    """Queries in another order."""
    company: bool = False
    """Only half of the queries."""
    numbering: bool = False
    """Every class with another number."""


REPLAY = Variation()
"""The same episode in the same way, at another time and without the episodes it was scored with."""
EVERYTHING = Variation(order=True, company=True, numbering=True)


@dataclass(frozen=True)
class Shown:
    """An episode as presented to a learner."""

    episode: Episode
    queries: tuple[int, ...]
    """Indices into the episode's list of queries, in the order shown [k]."""
    classes: tuple[int, ...]
    """Index of the episode's class with number 0, 1, … [c]."""

    @property
    def answers(self) -> NDArray[np.int64]:
        """Shown number of each query's true class [k]."""
        listed = np.asarray(self.queries) // (len(self.episode.query) // len(self.classes))
        numbers: NDArray[np.int64] = np.argsort(self.classes)[listed]
        return numbers

    @property
    def support(self) -> list[int]:
        """Image indices of the support set [n], in the order of the classes shown."""
        blocks = np.asarray(self.episode.support).reshape(len(self.classes), -1)
        rows: list[int] = blocks[list(self.classes)].ravel().tolist()
        return rows

    @property
    def query(self) -> list[int]:
        """Image indices of the queries shown [k]."""
        return [self.episode.query[i] for i in self.queries]


class Rescore(Protocol):
    """Scores episodes as presented; all have the same number of queries."""

    episodes_per_batch: int
    """Number of episodes to score at once."""
    drew: bool
    """Whether random numbers were drawn during scoring."""

    def __call__(self, shown: Sequence[Shown]) -> Tensor:
        """Return logits [s, k, c] in the order of queries and classes shown."""
        ...

    def order_of(self, episode: Episode) -> Sequence[int]:
        """Return the indices of an episode's queries [q] in the order in which the run showed them."""
        ...


def show(episode: Episode, variation: Variation, order: Sequence[int], rng: np.random.Generator) -> Shown:
    """Apply a random variation to an episode whose queries the run showed in this order [q]."""
    queries, way = np.asarray(order), len(episode.classes)
    if variation.company:
        half = rng.permutation(len(queries))[: (len(queries) + 1) // 2]
        queries = queries[np.sort(half)]  # in the order of the run
    if variation.order:
        queries = rng.permutation(queries)
    classes = np.arange(way)
    if variation.numbering:
        ring = rng.permutation(way)
        classes[ring] = np.roll(ring, 1)  # one cycle: no class keeps its number
    return Shown(episode, tuple(queries.tolist()), tuple(classes.tolist()))
