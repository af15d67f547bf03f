"""On what a head or a tuning at test stands: the network as it was pre-trained, or the meta-LoRA of another method."""

from __future__ import annotations

from typing import Any

from freeshot import Choice, added

UNTOUCHED = Choice("method", "frozen-prototype")
"""The method that leaves the network as it is."""


def untouched() -> Any:
    """Declare the option `under`: another method, by default none that changes anything."""
    return added(UNTOUCHED)
