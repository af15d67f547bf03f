"""Gradient-free search for many episodes at once, by nevergrad.

Axes: e episodes, m searched numbers per episode.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Generator, Tensor

from freeshot.basics.errors import OptionError


def nevergrad() -> Any:
    """Import nevergrad, an optional package; OptionError if it is missing."""
    try:
        import nevergrad as found
    except ImportError:
        raise OptionError("LoraHub needs the package nevergrad. Install it: pip install 'freeshot[search]'.") from None
    return found


def require_algorithm(name: str) -> None:
    """Require that nevergrad has this optimiser."""
    if name not in nevergrad().optimizers.registry:
        raise OptionError(f"nevergrad has no optimiser '{name}'. Choose one of its registry, such as NGOpt.")


def search_coefficients(
    losses: Callable[[Tensor], Tensor], size: int, bound: float, budget: int, algorithm: str, rngs: Sequence[Generator]
) -> Tensor:
    """Search numbers [e, m] in ±bound that minimise losses [e], starting at zero, independently for each episode.

    Every search proposes one point; all points are evaluated in one call. Returns each search's recommendation.
    """
    import numpy as np

    library = nevergrad()
    with warnings.catch_warnings(), _numpy_stream_kept():
        warnings.simplefilter("ignore")  # the selected optimisers warn about small budgets
        searches = []
        for rng in rngs:
            seed = int(torch.randint(2**31, (), generator=rng))
            np.random.seed(seed)  # noqa: NPY002 - some optimisers use the global generator
            space = library.p.Array(init=np.zeros(size), lower=-bound, upper=bound)
            space.random_state = np.random.RandomState(seed)
            searches.append(library.optimizers.registry[algorithm](parametrization=space, budget=budget))
        for _ in range(budget):
            points = [search.ask() for search in searches]
            values = losses(torch.tensor(np.stack([point.value for point in points]))).tolist()
            for search, point, loss in zip(searches, points, values, strict=True):
                search.tell(point, loss)
        return torch.tensor(np.stack([search.provide_recommendation().value for search in searches]))


@contextmanager
def _numpy_stream_kept() -> Iterator[None]:
    """Restore numpy's global random state after the block."""
    import numpy as np

    state = np.random.get_state()  # noqa: NPY002 - used by nevergrad
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002 - same
