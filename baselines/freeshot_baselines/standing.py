"""The base of a head or of tuning at test: the pre-trained network, or the meta-LoRA of another method."""

from __future__ import annotations

from typing import Any

from freeshot import Choice, added

UNTOUCHED = Choice("method", "frozen-prototype")
"""The method that leaves the network unchanged."""


def untouched() -> Any:
    """Declare the option `under`: the base method, by default none that changes anything."""
    return added(UNTOUCHED)


def require_one_beginning(start: str, under: Choice) -> None:
    """Raise ValueError if both an initialisation and a base method are set."""
    if start != "zero" and under != UNTOUCHED:
        raise ValueError(f"start={start} and under={under.name} cannot be combined; choose one of them")
