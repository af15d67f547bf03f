"""The base of a head or of tuning at test: the pre-trained network, or the meta-LoRA of another method."""

from __future__ import annotations

from typing import Any

from freeshot import Choice
from freeshot.basics.errors import OptionError

NO_BASE = Choice("method", "none")
"""No base method: the pre-trained network is used unchanged."""


def no_base() -> Any:
    """Declare the option `base`, the base method; its default leaves the network unchanged."""
    return NO_BASE


def require_exclusive(start: str, base: Choice) -> None:
    """Raise OptionError if both an initialisation and a base method are set."""
    if start != "zero" and base != NO_BASE:
        raise OptionError(f"Options 'start={start}' and 'base={base.name}' are mutually exclusive.")
