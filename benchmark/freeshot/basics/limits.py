"""A bound on the steps of every loop that the harness counts, so that a check takes seconds whatever the defaults."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_BOUND: ContextVar[int | None] = ContextVar("bound", default=None)


@contextmanager
def at_most(steps: int) -> Iterator[None]:
    """Let no loop of inversion or training go further than `steps` inside of this block."""
    token = _BOUND.set(steps)
    try:
        yield
    finally:
        _BOUND.reset(token)


def bounded(count: int) -> int:
    """Return how many of `count` steps may be taken."""
    bound = _BOUND.get()
    return count if bound is None else min(count, bound)
