"""Learning-rate schedules."""

from __future__ import annotations

import math


def cosine(step: int, steps: int) -> float:
    """Return the factor of a half-cosine decay: 1 at the first step, 0 after the last."""
    return (1 + math.cos(math.pi * step / steps)) / 2
