"""The seal on everything that a method must not open by itself; the harness breaks it for what was declared."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from freeshot.basics.errors import SealedError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SEALED: ContextVar[bool] = ContextVar("sealed", default=False)


@contextmanager
def sealed() -> Iterator[None]:
    """Let nobody open images or pools inside of this block: a method is at work."""
    token = _SEALED.set(True)
    try:
        yield
    finally:
        _SEALED.reset(token)


@contextmanager
def unsealed() -> Iterator[None]:
    """Let the harness open what it needs, such as the base images that a method declared."""
    token = _SEALED.set(False)
    try:
        yield
    finally:
        _SEALED.reset(token)


def require_unsealed(what: str) -> None:
    """Refuse to open something while a method is at work; SealedError."""
    if _SEALED.get():
        raise SealedError(
            f"{what} must not be opened while a method is at work. Declare what the method needs and ask its bench."
        )
