"""How long commands that compute nothing take, from the shell's point of view."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.performance.bench_leaderboard import METHODS, SEEDS, TRACKS, write_records
from tests.performance.measure import Table

COMMANDS = {("--help",): 0.4, ("list",): 0.5, ("leaderboard", "results"): 1.5}
"""Arguments → seconds to reach."""
ROUNDS = 5


def bench(methods: int = METHODS, tracks: int = TRACKS, seeds: int = SEEDS) -> Table:
    """Start each command five times, in turn, after once to warm up the disk cache."""
    taken: dict[tuple[str, ...], list[float]] = {arguments: [] for arguments in COMMANDS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = write_records(folder / "results", methods, tracks, seeds)
        for _ in range(ROUNDS + 1):
            for arguments, seconds in taken.items():
                seconds.append(_timed(folder, arguments))
    rows = tuple(
        (f"`freeshot {' '.join(arguments)}`", f"{statistics.median(taken[arguments][1:]):.2f}", f"{limit:g}")
        for arguments, limit in COMMANDS.items()
    )
    note = (
        f"{count:,} records ({methods} methods × {tracks} tracks × {seeds} seeds), a process each, start of Python "
        f"included; medians of {ROUNDS}."
    )
    return Table("Commands", note, ("command", "s", "to reach"), rows)


def _timed(folder: Path, arguments: tuple[str, ...]) -> float:
    begun = time.perf_counter()
    command = [sys.executable, "-m", "freeshot", *arguments]
    output = subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout
    seconds = time.perf_counter() - begun
    assert output, "a command that prints nothing did not do its work"
    return seconds
