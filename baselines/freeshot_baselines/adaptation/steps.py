"""Gradient steps on many episodes at once, which do not touch each other.

Weights have the episodes as their first axis. Adam treats every number alone, so that steps on stacked weights under
the sum of the episodes' losses are the steps that each episode would take by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor
    from torch.nn import Parameter

    from freeshot import Workbench

AT_ONCE = 128
"""Images that pass through the network in one step, about."""


def episodes_together(bench: Workbench, copies: int = 1) -> int:
    """Return how many episodes are worth tuning at once when each step looks at `copies` of the support set."""
    return max(1, AT_ONCE // (bench.way * bench.shot * copies))


def adam(weights: Sequence[Parameter], lr: float, stops: Sequence[int], losses: Callable[[], Tensor]) -> Iterator[int]:
    """Minimise losses [e] by Adam, and yield the number of steps taken at each of `stops`, 0 among them perhaps."""
    import torch

    optimizer = torch.optim.Adam(weights, lr=lr)
    if 0 in stops:
        yield 0
    for step in range(1, max(stops, default=0) + 1):
        optimizer.zero_grad()
        losses().sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step in stops:
            yield step
