"""Near-duplicate images: a novel image that was also used in training is not novel.

The difference hash (dHash) compares each of 9 × 8 grey pixels with its right neighbour: 64 bits that are robust to
resizing, compression and small colour changes. Axes: n and m images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

RADIUS = 4
"""Number of 64 bits in which near duplicates may differ."""
BLOCK = 2**22
"""Pairs compared at a time."""


@dataclass(frozen=True)
class Pair:
    """Two similar images."""

    first: int
    second: int
    bits: int
    """Number of differing hash bits."""


def dhash(pixels: NDArray[np.uint8]) -> int:
    """Return the 64-bit difference hash of an image [h, w, 3]; 0 for a uniform image."""
    from PIL import Image

    small = Image.fromarray(pixels).convert("L").resize((9, 8), Image.Resampling.BILINEAR)
    grey = np.asarray(small, dtype=np.int16)  # [8, 9]
    bits = (grey[:, :-1] < grey[:, 1:]).ravel()  # [64]
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def near_pairs(first: NDArray[np.uint64], second: NDArray[np.uint64], radius: int = RADIUS) -> Iterator[Pair]:
    """Find the pairs of hashes [n] and [m] that differ in at most `radius` bits; uniform images are skipped."""
    rows = max(1, BLOCK // max(1, len(second)))
    for start in range(0, len(first), rows):
        apart = bit_count(first[start : start + rows, None] ^ second[None, :])  # [rows, m]
        for i, j in np.argwhere(apart <= radius):
            if first[start + i] and second[j]:
                yield Pair(start + int(i), int(j), int(apart[i, j]))


def bit_count(values: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Count the set bits of each value."""
    if hasattr(np, "bitwise_count"):
        counted: NDArray[np.uint8] = np.bitwise_count(values)
        return counted
    octets = np.ascontiguousarray(values)[..., None].view(np.uint8)  # numpy 1.26: eight table look-ups
    table = np.array([value.bit_count() for value in range(256)], dtype=np.uint8)
    total: NDArray[np.uint8] = table[octets].sum(-1, dtype=np.uint8)
    return total
