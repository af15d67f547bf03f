"""Accuracies per episode as text: a share of a known number of queries is an integer, and small ones are one letter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = Sequence[float] | NDArray[np.float64]

LETTERS = "".join(c for c in map(chr, range(33, 127)) if c not in '"&<>\\')
"""Printable ASCII that stands for itself in JSON and in HTML; the page's script makes the same list."""
FINE = len(LETTERS) ** 3 - 1
"""The unit of accuracies that are no multiples of one query: to better than a millionth."""


def unit_of(accuracies: Values, queries: int) -> int:
    """Return `queries` where all accuracies are multiples of one of them, else a fine unit."""
    rights = np.asarray(accuracies, dtype=np.float64) * float(queries)
    return queries if queries <= FINE and bool((np.abs(rights - np.rint(rights)) < 1e-6).all()) else FINE


def digits_of(unit: int) -> int:
    """Count the letters that each number of 0…unit takes."""
    digits = 1
    while len(LETTERS) ** digits <= unit:
        digits += 1
    return digits


def encode(accuracies: Values, unit: int) -> str:
    """Write accuracies in 0…1 as integers of a unit, each in as many letters, the highest first."""
    numbers = np.rint(np.asarray(accuracies, dtype=np.float64) * unit).astype(np.int64)
    places = len(LETTERS) ** np.arange(digits_of(unit))[::-1]
    digits = numbers[:, None] // places % len(LETTERS)  # [e, digits]
    return str(np.frombuffer(LETTERS.encode("ascii"), dtype=np.uint8)[digits].tobytes(), "ascii")
