"""LoRA pools in memory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from freeshot.api.session import StrPath, open_session

if TYPE_CHECKING:
    from freeshot.contracts.pool import LoraPool


def load_pool(pool: StrPath, *, pools: StrPath = "pools", plugins: Iterable[StrPath] = ()) -> LoraPool:
    """Open a pool by its name or folder.

    'pocket/sketch' are the LoRAs of 'pocket' that were tuned on 'sketch', 'pocket+first10' are its first ten, and
    'pocket+noise30' is 'pocket' with 30 % of its LoRAs replaced by noise. PoolError if a file is damaged,
    MissingPoolError if the pool has not been built, UnknownNameError for other names.
    """
    from freeshot.pool.locate import find_pool
    from freeshot.pool.store import open_pool
    from freeshot.pool.variants import split_name, varied

    whole, variant = split_name(str(pool))
    location = find_pool(whole, open_session(plugins).catalogue, Path(pools))
    opened = open_pool(location.folder)
    opened = opened.part(location.part) if location.part else opened
    return opened if variant is None else varied(opened, variant)
