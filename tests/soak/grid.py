"""A small grid of the pocket suite's validation tracks that has every sort of work in it, and what is left of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from freeshot.contracts.records import RunRecord

COMMON = ("run", "--track", "validation/icons/5w1s", "--limit", "60")
SIZES = ("per_class=5", "inversion.iterations=2", "inversion.prior=none", "learner.iterations=4")
SMALL = tuple(word for size in SIZES for word in ("-o", size))
TUNED = ("--method", "full-finetuning", "-o", "lrs=1e-3", "-o", "steps=1", "-o", "heads=zero", "-o", "trials=4")
COMMANDS = (
    (*COMMON, "--method", "lora-recycle", *SMALL),
    (*COMMON, "--method", "free", "-o", "per_class=5", "-o", "inversion.outer=2", "-o", "learner.iterations=4"),
    (*COMMON, *TUNED),
)
"""Inversion, a learned inversion, meta-training in two ways, and tuning on every episode."""
TIMES = ("seconds", "peak_bytes", "cached")
"""What may differ between two runs of a cell, with the time it was finished."""


def start(arguments: tuple[str, ...], folder: Path, cache: Path | None = None) -> subprocess.Popen[str]:
    """Start a command of the grid in a process group of its own."""
    folders = ("--results", str(folder / "results"), "--cache", str(cache or folder / "cache"))
    return subprocess.Popen(
        [sys.executable, "-m", "freeshot", *arguments, *folders],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(arguments: tuple[str, ...], folder: Path, cache: Path | None = None) -> str:
    """Run a command of the grid to its end; return what it said if it failed."""
    process = start(arguments, folder, cache)
    out, err = process.communicate(timeout=3600)
    return "" if process.returncode == 0 else (err.strip() or out.strip())


def left(folder: Path) -> dict[str, Any]:
    """Read all records under a folder, without times; raises where one is half-written."""
    found = {}
    for path in sorted((folder / "results").rglob("*.json")):
        RunRecord.read(path)
        found[path.name] = _timeless(json.loads(path.read_text(encoding="utf-8")))
    return found


def _timeless(record: dict[str, Any]) -> dict[str, Any]:
    record["provenance"].pop("finished")
    record["stages"] = [{k: v for k, v in stage.items() if k not in TIMES} for stage in record["stages"]]
    return record
