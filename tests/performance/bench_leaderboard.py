"""Five thousand records to one HTML page: the seconds of reading, ranking and drawing."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING

import numpy as np
from tests.performance.measure import Table

from freeshot.leaderboard import boards
from freeshot.records.load import load_records
from freeshot.records.models import RunSpec
from freeshot.render import write_leaderboards
from freeshot.render.html.page import html
from freeshot.stats.intervals import student_t

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pair = NDArray[np.float64]

METHODS, TRACKS, SEEDS, EPISODES = 40, 25, 5, 600
GOAL = 2.0
"""Seconds from files to the page."""
GOLDEN = Path(__file__).parents[1] / "records/golden_record.json"


def write_records(folder: Path, methods: int = METHODS, tracks: int = TRACKS, seeds: int = SEEDS) -> int:
    """Write made-up records of methods × tracks × seeds, as large as real ones; return how many."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    rng = np.random.default_rng(0)
    for method in range(methods):
        for track in range(tracks):
            for seed in range(seeds):
                text = _record(golden, method, track, seed, rng)
                path = folder / "made-up" / f"near/set-{track:02}/5w1s" / f"method-{method:02}-{seed}.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    return methods * tracks * seeds


def _record(golden: dict[str, object], method: int, track: int, seed: int, rng: np.random.Generator) -> str:
    plain = json.loads(json.dumps(golden))
    spec = plain["spec"]
    spec["suite"], spec["seed"] = "made-up", seed
    spec["track"] |= {"name": f"near/set-{track:02}/5w1s", "way": 5, "query": 15, "episodes": EPISODES}
    spec["method"]["name"] = f"method-{method:02}"
    values = rng.binomial(75, 0.4 + method / 100, EPISODES) / 75
    actual = student_t(values)
    interval = {"mean": actual.mean, "low": actual.low, "high": actual.high, "level": 0.95, "covers": "episodes"}
    cell = RunSpec.model_validate(spec).cell
    return json.dumps(plain | {"cell": cell, "accuracies": values.tolist(), "interval": interval}, indent=1)


def bench() -> Table:
    """Time the way from files to the page, step by step; medians of three, after one that warms up."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = write_records(folder)
        rounds = [_timed(folder) for _ in range(4)][1:]
    steps = {step: np.median([seconds[step] for seconds in rounds], axis=0) for step in rounds[0]}
    page = steps["read"] + steps["rank"] + steps["draw"]
    named = {
        "read and validate": steps["read"],
        "rows, ranks and intervals": steps["rank"],
        "the page": steps["draw"],
        "from files to the page": page,
        "read again, write all pages": steps["write"],
    }
    rows = tuple((step, f"{clock:.2f}", f"{cpu:.2f}") for step, (clock, cpu) in named.items())
    note = (
        f"{count} records of {EPISODES} episodes ({METHODS} methods × {TRACKS} tracks × {SEEDS} seeds), one process. "
        f"To reach: {GOAL:g} s from files to the page. Those of the processor are the time on a free machine."
    )
    return Table("Leaderboards", note, ("step", "s", "s of processor"), rows)


def _timed(folder: Path) -> dict[str, Pair]:
    """Take each step once; seconds by the clock and of the processor."""
    marks = [(perf_counter(), process_time())]

    def mark() -> None:
        marks.append((perf_counter(), process_time()))

    records = load_records(folder).records
    mark()
    actual = boards(records)
    mark()
    html(actual)
    mark()
    write_leaderboards(folder)
    mark()
    taken = np.diff(np.asarray(marks), axis=0)  # [steps, 2]
    return dict(zip(("read", "rank", "draw", "write"), taken, strict=True))
