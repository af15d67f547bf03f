"""Run the long tests, or some of them, and write their tables: `python -m tests.soak fuzz --write FILE`.

Tables that are not made again stay unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.performance import soak_embedding
from tests.performance.__main__ import main
from tests.soak import fuzz, interruptions

if TYPE_CHECKING:
    from tests.performance.measure import Table

PARTS: dict[str, Callable[[], Table]] = {
    "fuzz": fuzz.bench,
    "interruptions": interruptions.bench,
    "embedding": soak_embedding.bench,
}
HEAD = "# Reliability\n\nWritten by `make soak`: hours of what should never happen, and what came of it.\n"

if __name__ == "__main__":
    main("python -m tests.soak", PARTS, HEAD, __doc__)
