"""Run the long tests and write their tables: `python -m tests.soak --write results/reliability.md`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from tests.performance.__main__ import machine, merged
from tests.soak import fuzz, interruptions

PARTS = {"fuzz": fuzz.bench, "interruptions": interruptions.bench}
HEAD = "# Reliability\n\nWritten by `make soak`: hours of what should never happen, and what came of it.\n"


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--write", type=Path, help="keeps the tables that are not made again")
    asked = parser.parse_args()
    for name in asked.parts:
        table = PARTS[name]().markdown() + f"\n{machine()}; {datetime.now(UTC):%Y-%m-%d}.\n"
        print(table, flush=True)
        if asked.write:
            page = asked.write.read_text(encoding="utf-8") if asked.write.exists() else ""
            asked.write.write_text(merged(page, [table], HEAD), encoding="utf-8")


if __name__ == "__main__":
    main()
