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
    read thousands of records. What was made counts as old afterwards, so that the next look does not start with it.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            if not gc.get_freeze_count():  # what others froze stays so
                gc.freeze()  # moves objects of all ages out of sight ...
                gc.unfreeze()  # ... and all of them back, among the oldest
            gc.enable()
