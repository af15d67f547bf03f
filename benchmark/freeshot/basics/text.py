"""Text of strangers, made harmless where people read it."""

from __future__ import annotations


def one_line(text: str) -> str:
    """Put a stranger's text on one line, without characters that steer a terminal."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.split())
