"""On what a head or a tuning at test stands: the network as it was pre-trained, or the meta-LoRA of another method."""

from __future__ import annotations

from typing import Any

from freeshot import Choice, added

UNTOUCHED = Choice("method", "frozen-prototype")
"""The method that leaves the network as it is."""


def untouched() -> Any:
    """Declare the option `under`: another method, by default none that changes anything."""
    return added(UNTOUCHED)


def require_one_beginning(start: str, under: Choice) -> None:
    """Raise ValueError where a LoRA would start from something and stand on something, too."""
    if start != "zero" and under != UNTOUCHED:
        raise ValueError(f"start={start} and under={under.name} are two beginnings; choose one of them")
