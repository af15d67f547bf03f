"""Gradient steps on many independent episodes at once.

The first axis of the weights is the episode. Adam is elementwise, so steps on stacked weights with the sum of the
episodes' losses equal the steps of each episode alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from freeshot import Workbench

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Parameter

    from freeshot.engine import EpisodeBackbone

IMAGES_PER_PASS = 128
"""Approximate number of images per forward pass of a step."""


def freeze_for_episodes(bench: Workbench, copies: int = 1) -> tuple[EpisodeBackbone, int]:
    """Return the frozen backbone and the number of episodes to tune at once if steps use `copies` of a support set."""
    from freeshot.engine import EpisodeBackbone

    return EpisodeBackbone.of(bench.backbone()), max(1, IMAGES_PER_PASS // (bench.way * bench.shot * copies))


def adam(weights: Sequence[Parameter], lr: float, stops: Sequence[int], losses: Callable[[], Tensor]) -> Iterator[int]:
    """Minimise losses [e] by Adam, and yield the number of steps taken at each of `stops`, which may include 0."""
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
