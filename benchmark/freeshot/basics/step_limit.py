"""A limit on the steps of all counted loops, so that contract checks finish in seconds with any defaults."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_BOUND: ContextVar[int | None] = ContextVar("bound", default=None)


@contextmanager
def at_most(steps: int) -> Iterator[None]:
    """Limit every loop of inversion or training inside this block to `steps` steps."""
    token = _BOUND.set(steps)
    try:
        yield
    finally:
        _BOUND.reset(token)


def bounded(count: int) -> int:
    """Return `count`, reduced to the current step limit."""
    bound = _BOUND.get()
    return count if bound is None else min(count, bound)
