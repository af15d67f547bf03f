"""A grid over one process and over two, and the estimate of a dry run beforehand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.performance.measure import Table

from freeshot.records.load import load_records

METHODS = ("frozen-prototype", "knn", "rtd", "lora-average", "lora-fair")
SEEDS = ("0", "1")
GRID = (
    *("run", "--track", "validation/*", "--limit", "60"),
    *(word for method in METHODS for word in ("--method", method)),
    *(word for seed in SEEDS for word in ("--seed", seed)),
)
"""Five methods, four tracks, two seeds."""
CELLS = 4 * len(METHODS) * len(SEEDS)
SHORT_RUN = (
    *("run", "pocket", "--profile", "quick", "--track", "in-domain/icons/5w1s", "--method", "lora-recycle"),
    *("--limit", "600"),
)
"""LoRA Recycle, shortened; the limit marks its record as one that enters no table."""


def bench() -> Table:
    """Time the grid in one process of one thread and in two; then a shortened LoRA Recycle against its dry run."""
    with tempfile.TemporaryDirectory() as name:
        single, double = (_timed(Path(name) / str(n), *GRID, "-l", f"workers={n}") for n in (1, 2))
        assert _accuracies(Path(name) / "1") == _accuracies(Path(name) / "2"), "the same bits from both"
        estimated = _estimated(Path(name) / "short")
        took = _timed(Path(name) / "short", *SHORT_RUN)
    rows = (
        (f"{CELLS} cells, one process", f"{single:.1f}", ""),
        (f"{CELLS} cells, two processes", f"{double:.1f}", f"{single / double:.2f}×"),
        ("lora-recycle, quick, as a dry run estimates it", f"{estimated:.1f}", ""),
        ("lora-recycle, quick, as it takes", f"{took:.1f}", f"{estimated / took:.2f}× as estimated"),
    )
    note = (
        "Processes of one thread each, caches empty, start of Python included; both give the same accuracies, bit by "
        "bit. To reach: 1.8 × with two processes, and a dry run within a factor of two."
    )
    return Table("Launching", note, ("what", "s", "ratio"), rows)


def _timed(folder: Path, *arguments: str) -> float:
    begun = time.monotonic()
    _run(folder, *arguments)
    return time.monotonic() - begun


def _accuracies(folder: Path) -> dict[str, list[float]]:
    """Return the accuracies of each cell's episodes."""
    accuracies = {record.cell: record.accuracies for record in load_records(folder / "results").records}
    assert len(accuracies) == CELLS
    return accuracies


def _estimated(folder: Path) -> float:
    """Return the seconds that a dry run states."""
    printed = re.search(r"about (?:(\d+) min )?(\d+) s at", " ".join(_run(folder, *SHORT_RUN, "--dry-run").split()))
    assert printed is not None
    return 60 * int(printed[1] or 0) + int(printed[2])


def _run(folder: Path, *arguments: str) -> str:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "freeshot", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout
