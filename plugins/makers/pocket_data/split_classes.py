"""The fixed split of classes: ordered by a hash of the name, divided by two cuts."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def split_classes(classes: Sequence[str], seed: str, base: int, validation: int) -> dict[str, list[str]]:
    """Split class names into base, validation and novel; independent of the given order."""
    ordered = sorted(classes, key=lambda name: hashlib.sha256((seed + name).encode()).hexdigest())
    cuts = (ordered[:base], ordered[base : base + validation], ordered[base + validation :])
    return dict(zip(("base", "validation", "novel"), (sorted(part) for part in cuts), strict=True))
