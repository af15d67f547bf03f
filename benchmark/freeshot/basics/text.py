"""Text of strangers, made harmless where people read it."""

from __future__ import annotations


def one_line(text: str) -> str:
    """Put a stranger's text on one line, without characters that steer a terminal."""
    return " ".join(printable(text).split())


def printable(text: str) -> str:
    """Put a space in place of whatever breaks a line or steers a terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)
