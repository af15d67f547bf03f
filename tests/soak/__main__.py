"""Run the long tests and write their tables: `python -m tests.soak --write results/reliability.md`."""

from __future__ import annotations

from tests.performance.__main__ import main
from tests.soak import fuzz, interruptions

PARTS = {"fuzz": fuzz.bench, "interruptions": interruptions.bench}
HEAD = "# Reliability\n\nWritten by `make soak`: hours of what should never happen, and what came of it.\n"

if __name__ == "__main__":
    main("python -m tests.soak", PARTS, HEAD, __doc__)
