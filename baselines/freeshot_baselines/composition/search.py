"""Gradient-free search for many episodes at once, by nevergrad.

Axes: e episodes, m numbers looked for in each.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch

from freeshot.basics.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Generator, Tensor


def nevergrad() -> Any:
    """Import nevergrad, which is an extra; OptionError where it is missing."""
    try:
        import nevergrad as found
    except ImportError:
        raise OptionError(
            "LoraHub searches with nevergrad, which is not installed: pip install 'freeshot[search]'."
        ) from None
    return found


def searched(
    losses: Callable[[Tensor], Tensor], size: int, bound: float, budget: int, algorithm: str, rngs: Sequence[Generator]
) -> Tensor:
    """Look for numbers [e, m] in ±bound that make losses [e] small, from zero on, each episode by a search of its own.

    Every search proposes one point; all are judged in one call. Returned is what each search recommends.
    """
    import numpy as np

    library = nevergrad()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the optimisers it chooses from complain of small budgets
        searches = []
        for rng in rngs:
            space = library.p.Array(init=np.zeros(size), lower=-bound, upper=bound)
            space.random_state = np.random.RandomState(int(torch.randint(2**31, (), generator=rng)))
            searches.append(library.optimizers.registry[algorithm](parametrization=space, budget=budget))
        for _ in range(budget):
            asked = [search.ask() for search in searches]
            told = losses(torch.tensor(np.stack([point.value for point in asked]))).tolist()
            for search, point, loss in zip(searches, asked, told, strict=True):
                search.tell(point, loss)
        return torch.tensor(np.stack([search.provide_recommendation().value for search in searches]))
