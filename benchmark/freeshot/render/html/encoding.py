"""Compact text encoding of accuracies per episode: integers in units of 1 / unit, in base len(LETTERS)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = Sequence[float] | NDArray[np.float64]

LETTERS = "".join(c for c in map(chr, range(33, 127)) if c not in '"&<>\\')
"""Printable ASCII that needs no escaping in JSON or HTML; the page's script builds the same list."""
FINE = len(LETTERS) ** 3 - 1
"""Unit for accuracies that are not multiples of 1 / queries; rounding errors are below a millionth."""


def unit_of(accuracies: Values, queries: int) -> int:
    """Return `queries` if all accuracies are multiples of 1 / queries, else FINE."""
    rights = np.asarray(accuracies, dtype=np.float64) * float(queries)
    return queries if queries <= FINE and bool((np.abs(rights - np.rint(rights)) < 1e-6).all()) else FINE


def digits_of(unit: int) -> int:
    """Return the number of letters needed to encode any number in 0…unit."""
    digits = 1
    while len(LETTERS) ** digits <= unit:
        digits += 1
    return digits


def encode(accuracies: Values, unit: int) -> str:
    """Encode accuracies in 0…1 as integer multiples of 1 / unit, each with the same number of letters, big-endian."""
    numbers = np.rint(np.asarray(accuracies, dtype=np.float64) * unit).astype(np.int64)
    places = len(LETTERS) ** np.arange(digits_of(unit))[::-1]
    digits = numbers[:, None] // places % len(LETTERS)  # [e, digits]
    return str(np.frombuffer(LETTERS.encode("ascii"), dtype=np.uint8)[digits].tobytes(), "ascii")
