"""Cards of pools and adapters: JSON that a person may have moved, cut or edited."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import PoolError
from freeshot.basics.files import read_bounded

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 64 * 2**20
"""Bytes of a card that are read; that of forty LoRAs takes a thousandth."""


def read_card(file: Path, repair: str, absent: str | None = None) -> Any:
    """Parse a JSON file; PoolError says that it is `absent`, or cannot be read and how to `repair` that."""
    try:
        return json.loads(read_bounded(file, LARGEST).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        if absent is not None and isinstance(error, FileNotFoundError):
            raise PoolError(absent) from None
        raise PoolError(f"{file} cannot be read ({error}). {repair}") from None
