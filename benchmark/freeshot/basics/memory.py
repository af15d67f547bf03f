"""Memory: when Python looks for garbage."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no cyclic garbage inside of this block, which makes much that is kept and no cycles.

    Otherwise the collector walks through all that was made so far again and again: a third of the time that it takes to
    read thousands of records.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
