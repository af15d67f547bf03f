"""Temporary plugin registration."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pluggy

T = TypeVar("T")


@contextmanager
def listening(manager: pluggy.PluginManager, listener: T, name: str | None = None) -> Iterator[T]:
    """Register an object as a plugin inside this block."""
    manager.register(listener, name)
    try:
        yield listener
    finally:
        manager.unregister(listener)
