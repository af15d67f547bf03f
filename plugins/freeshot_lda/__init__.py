"""Pool LDA, FreeShot's own method: the pool's average, averaged views of an image, and a discriminant metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeshot import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from freeshot import Method


@hookimpl
def freeshot_methods() -> Iterable[type[Method]]:
    """Register the method."""
    from freeshot_lda.method import PoolLda

    return [PoolLda]
