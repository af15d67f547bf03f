"""Sanitising of untrusted text before it is printed."""

from __future__ import annotations


def one_line(text: str) -> str:
    """Put untrusted text on one line, without terminal control characters."""
    return " ".join(printable(text).split())


def printable(text: str) -> str:
    """Replace line breaks and terminal control characters by spaces."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)
