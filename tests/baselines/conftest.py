"""The toy network in float64, on which stacked tuning is compared with one episode after the other."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest
import torch

from freeshot.engine import EpisodeBackbone

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from freeshot.engine import Backbone

WAY = 3


@pytest.fixture(scope="session")
def trunk(backbone: Backbone) -> EpisodeBackbone:
    """Return the toy network as a frozen trunk in double precision."""
    return EpisodeBackbone(copy.deepcopy(backbone.vit).double(), copy.deepcopy(backbone.normalize).double())


@pytest.fixture
def episodes() -> tuple[Tensor, Tensor]:
    """Return support images of 3 episodes, 2 of each of 3 classes, and 4 queries of each."""
    rng = torch.Generator().manual_seed(5)
    support = torch.rand(3, 2 * WAY, 3, 16, 16, generator=rng, dtype=torch.float64)
    return support, torch.rand(3, 4, 3, 16, 16, generator=rng, dtype=torch.float64)


def streams(count: int, first: int = 0) -> list[Generator]:
    """Return a random stream for each of `count` episodes."""
    return [torch.Generator().manual_seed(100 + first + index) for index in range(count)]
