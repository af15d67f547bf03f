"""Ways to show an episode again: other orders, numbers and company, from which the answers do not follow.

Axes: s episodes, n support images, q queries of an episode, k of them shown, c classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from freeshot.contracts.flow import Episode


@dataclass(frozen=True)
class Variation:
    """What is shown differently."""

    order: bool = False
    """Queries in another order."""
    company: bool = False
    """Only half of the queries."""
    numbering: bool = False
    """Every class with another number."""


REPLAY = Variation()
"""The same episode in the same way, at another time and without the episodes that it was scored with."""
EVERYTHING = Variation(order=True, company=True, numbering=True)


@dataclass(frozen=True)
class Shown:
    """An episode as it is shown to a learner."""

    episode: Episode
    queries: tuple[int, ...]
    """Positions in the episode's list of queries, in the order shown [k]."""
    classes: tuple[int, ...]
    """Position of the episode's class that has number 0, 1, … [c]."""

    @property
    def answers(self) -> NDArray[np.int64]:
        """Number that the true class of each query has here [k]."""
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
    """Scores episodes as they are shown; all show equally many queries."""

    together: int
    """How many episodes are worth scoring at once."""
    drew: bool
    """Whether random numbers were drawn while scoring."""

    def __call__(self, shown: Sequence[Shown]) -> Tensor:
        """Return logits [s, k, c] in the order of queries and classes shown."""
        ...

    def order_of(self, episode: Episode) -> Sequence[int]:
        """Return positions of an episode's queries [q] in the order in which the run showed them."""
        ...


def show(episode: Episode, variation: Variation, order: Sequence[int], rng: np.random.Generator) -> Shown:
    """Apply a variation at random to an episode whose queries the run showed in this order [q]."""
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
