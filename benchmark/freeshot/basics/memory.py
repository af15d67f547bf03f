"""Control of Python's cyclic garbage collector."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause the cyclic GC inside this block, for code that builds many long-lived objects and no cycles.

    Otherwise the collector traverses all objects made so far again and again, which takes a third of the time of
    reading thousands of records. Afterwards the new objects belong to the oldest generation, so that the next young
    collection skips them.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            if not gc.get_freeze_count():  # keep objects frozen that other code froze
                gc.freeze()  # moves all generations into the permanent one ...
                gc.unfreeze()  # ... and back into the oldest
            gc.enable()
