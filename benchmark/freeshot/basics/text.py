"""Text for users: untrusted text on one line without control characters, counts, problems of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


def one_line(text: str) -> str:
    """Put untrusted text on one line, without terminal control characters."""
    return " ".join(printable(text).split())


def printable(text: str) -> str:
    """Replace line breaks and terminal control characters by spaces."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def counted(count: int, thing: str) -> str:
    """Format a count: '1 record', '2 records'."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def first_problem(error: ValidationError) -> str:
    """Return where a pydantic model is invalid first, and why: 'splits.base: Input should be a valid tuple'."""
    first = error.errors(include_input=False, include_url=False)[0]
    where = one_line(".".join(map(str, first["loc"])))[:100]
    return f"{where}: {one_line(first['msg'])[:200]}" if where else one_line(first["msg"])[:200]
