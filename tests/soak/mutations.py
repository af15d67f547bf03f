"""Random damage to files, as it occurs in practice: cut, flipped, repeated, with unexpected values inside."""

from __future__ import annotations

import random

SURPRISES = (
    b"", b"\0", b"\xff" * 8, b"../../x", b"/etc/passwd", b"NaN", b"-Infinity", b"1e999", b"-1", b"9" * 40, b"null",
    b"true", b"[]", b"{}", b'""', b"\xe2\x80\xae", b"\xed\xa0\x80", b"\r\n", b"[" * 2000, b'{"a":' * 500,
    b"\x1b[2J", b"<script>", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80",
)  # fmt: skip
"""Byte strings that often break readers."""


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Change a file in one to four places."""
    for _ in range(rng.randint(1, 4)):
        content = rng.choice((_cut, _flip, _repeat, _insert, _replace, _swap))(content, rng)
    return content


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randint(0, len(content))]


def _flip(content: bytes, rng: random.Random) -> bytes:
    if not content:
        return content
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _repeat(content: bytes, rng: random.Random) -> bytes:
    start, end = _span(content, rng)
    return content[:end] + content[start:end] * rng.randint(1, 3) + content[end:]


def _insert(content: bytes, rng: random.Random) -> bytes:
    at = rng.randint(0, len(content))
    return content[:at] + rng.choice(SURPRISES) + content[at:]


def _replace(content: bytes, rng: random.Random) -> bytes:
    start, end = _span(content, rng)
    return content[:start] + rng.choice(SURPRISES) + content[end:]


def _swap(content: bytes, rng: random.Random) -> bytes:
    start, end = _span(content, rng)
    return content[:start] + content[end:] + content[start:end]


def _span(content: bytes, rng: random.Random) -> tuple[int, int]:
    start = rng.randint(0, len(content))
    return start, min(len(content), start + rng.choice((1, 4, 16, 64, 1024)))
