"""Reading of the JSON cards of pools and adapters, which users may have edited or damaged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import PoolError
from freeshot.basics.files import PIECE, read_bounded

if TYPE_CHECKING:
    from pathlib import Path

CARD = "pool.json"
FORMAT = 2
"""Format of a pool's card."""
LARGEST = 64 * 2**20
"""Maximal size of a card in bytes; that of forty LoRAs takes a thousandth."""


def read_card(file: Path, repair: str, absent: str | None = None) -> Any:
    """Parse a JSON file; PoolError with the message `absent` if it is missing, or with advice `repair` if invalid."""
    try:
        return json.loads(read_bounded(file, LARGEST).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        if absent is not None and isinstance(error, FileNotFoundError):
            raise PoolError(absent) from None
        raise PoolError(f"{file} cannot be read ({error}). {repair}") from None


def read_pool_card(folder: Path) -> dict[str, Any]:
    """Read the card of a pool; PoolError if the folder is not a pool, or of another format."""
    file = folder / CARD
    absent = f"{folder} is not a pool: it has no {CARD}. Build one with 'freeshot pool build'."
    card: Any = read_card(file, "Build or import the pool again.", absent)
    if not isinstance(card, dict) or card.get("format") != FORMAT or not card.get("loras"):
        raise PoolError(f"{file} is not a pool card of format {FORMAT} with at least one LoRA. Build the pool again.")
    missing = [key for key in ("backbone", "backbone_sha256", "name") if not isinstance(card.get(key), str)]
    if missing:
        raise PoolError(f"{file} lacks {', '.join(missing)}. Build or import the pool again.")
    return card


def is_piece(name: str) -> bool:
    """Return whether a name is a valid single folder name on all systems."""
    return PIECE.fullmatch(name) is not None and name.isprintable() and len(name.encode(errors="replace")) < 200
