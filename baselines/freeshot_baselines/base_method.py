"""The base of a head or of tuning at test: the pre-trained network, or the meta-LoRA of another method."""

from __future__ import annotations

from typing import Any

from freeshot import Choice, added
from freeshot.basics.errors import OptionError

NO_BASE = Choice("method", "frozen-prototype")
"""The method that leaves the network unchanged."""


def no_base() -> Any:
    """Declare the option `under`, the base method; its default leaves the network unchanged."""
    return added(NO_BASE)


def require_exclusive(start: str, under: Choice) -> None:
    """Raise OptionError if both an initialisation and a base method are set."""
    if start != "zero" and under != NO_BASE:
        raise OptionError(f"Options 'start={start}' and 'under={under.name}' are mutually exclusive.")
