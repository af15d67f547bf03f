"""What is fuzzed: something that reads a file, and how its file becomes wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from freeshot.basics.errors import FreeshotError

ANSWERS: tuple[type[Exception], ...] = (FreeshotError,)
"""What a reader may raise: a sentence. Whatever else it raises is a fault."""


@dataclass(frozen=True)
class Reader:
    """Something that reads a file."""

    name: str
    file: Path
    """Which file is made wrong; the others stay good."""
    read: Callable[[], object]
    before: Callable[[], None] = lambda: None
    """What to do when the file was changed, such as to write its hash where it belongs."""
    spoil: Callable[[Random], None] | None = None
    """Makes a folder or an archive wrong, where changing the bytes of one file is not enough."""
    within: Path | None = None
    """Where it may write; the folder of the whole test if not given."""
