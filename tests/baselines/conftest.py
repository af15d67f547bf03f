"""The toy backbone and its pool, opened once."""

from __future__ import annotations

import pytest

from freeshot.contracts.pool import LoraPool
from freeshot.engine import Backbone, open_backbone
from freeshot.pool.store import open_pool
from freeshot.testing.toy import POOL, ToyVit


@pytest.fixture(scope="session")
def backbone() -> Backbone:
    return open_backbone(ToyVit())


@pytest.fixture(scope="session")
def pool(backbone: Backbone) -> LoraPool:
    return open_pool(POOL, backbone.sha256)
