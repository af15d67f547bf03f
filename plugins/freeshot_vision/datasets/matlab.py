"""Read numeric arrays from Matlab 5 to 7 files; scipy's reader can crash the process on corrupt ones."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import Any

from numpy.typing import NDArray

MATRIX, COMPRESSED = 14, 15
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""Numeric element types → numpy dtypes; a double may be stored in the smallest type that holds it."""
NUMBERS = range(6, 16)
"""Matlab's classes from double to uint64: no cell, struct, object, text or sparse array."""
COMPLEX = 0x0800


def read_numbers(content: bytes, name: str, most: int) -> NDArray[Any]:
    """Return the real numbers of one variable, column by column; ValueError if it has none, or more than `most`.

    The format is MathWorks' MAT-File Format: a header of 128 bytes, then elements.
    """
    import numpy as np

    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:
        raise ValueError("it is not a Matlab 5 to 7 file")
    for parts in _variables(content[128:], order, 8 * most + 4096):
        (_, flags), (_, lengths), (_, variable), (kind, values) = parts
        if variable != name.encode():
            continue
        (flag,), shape = struct.unpack(f"{order}I", flags[:4]), struct.unpack(f"{order}{len(lengths) // 4}i", lengths)
        if flag & 0xFF not in NUMBERS or flag & COMPLEX or kind not in STORED:
            raise ValueError(f"its '{name}' does not contain real numbers")
        numbers = np.frombuffer(values, order + STORED[kind])
        if len(numbers) > most or min(shape, default=0) < 0 or math.prod(shape) != len(numbers):
            raise ValueError(
                f"its '{name}' are {len(numbers):,} numbers of shape {shape}, and at most {most:,} are read"
            )
        return numbers
    raise ValueError(f"it has no '{name}'")


def _variables(content: bytes, order: str, largest: int) -> Iterator[list[tuple[int, bytes]]]:
    """Yield the first four elements of each variable: flags, shape, name, numbers."""
    for kind, data in _elements(content, order):
        inner = _elements(_inflated(data, largest), order) if kind == COMPRESSED else iter([(kind, data)])
        for inner_kind, body in islice(inner, 1):
            parts = list(islice(_elements(body, order), 4)) if inner_kind == MATRIX else []
            if len(parts) == 4:
                yield parts


def _elements(content: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + 8 <= len(content):
        kind, size = struct.unpack_from(f"{order}2I", content, offset)
        start = offset + 8
        if kind >> 16:  # up to four bytes share the tag's eight
            kind, size, start = kind & 0xFFFF, kind >> 16, offset + 4
        if start + size > len(content):
            raise ValueError("it is truncated")
        yield kind, content[start : start + size]
        offset = start + size
        if kind != COMPRESSED:
            offset += -offset % 8


def _inflated(content: bytes, largest: int) -> bytes:
    """Decompress at most `largest` bytes; a small file may expand a thousandfold."""
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(content, largest)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if not inflater.eof:
        raise ValueError(f"it is truncated, or a variable takes more than {largest:,} bytes")
    return plain
