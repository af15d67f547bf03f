"""How a rate falls while something is optimised."""

from __future__ import annotations

import math


def cosine(step: int, steps: int) -> float:
    """Return the share of a rate that is left at a step: from 1 at the first to 0 after the last, half a cosine."""
    return (1 + math.cos(math.pi * step / steps)) / 2
