"""The subject of fuzzing: a function that reads a file, and how the file is damaged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from freeshot.basics.errors import FreeshotError

EXPECTED_ERRORS: tuple[type[Exception], ...] = (FreeshotError,)
"""Errors that a reader may raise. Any other exception is a fault."""


@dataclass(frozen=True)
class Reader:
    """A function that reads a file, with the file."""

    name: str
    file: Path
    """The file that is damaged; the others stay valid."""
    read: Callable[[], object]
    before: Callable[[], None] = lambda: None
    """What to do after the file was changed, such as to update its hash in a card."""
    damage: Callable[[Random], None] | None = None
    """Damages a folder or an archive, where changing the bytes of a file is not enough."""
    within: Path | None = None
    """The folder it may write to; that of the whole test if not given."""
