"""Run all benches, print their tables, and write them with --write: `python -m tests.performance --write FILE`."""

from __future__ import annotations

import argparse
import platform
from datetime import UTC, datetime
from pathlib import Path

import timm
import torch
from tests.performance import (
    bench_comparisons,
    bench_episodes,
    bench_free,
    bench_inversion,
    bench_leaderboard,
    bench_meta_training,
    bench_pool,
    bench_prior,
    bench_tuning,
)

BENCHES = {
    "pool": bench_pool.bench,
    "inversion": bench_inversion.bench,
    "prior": bench_prior.bench,
    "meta-training": bench_meta_training.bench,
    "episodes": bench_episodes.bench,
    "tuning": bench_tuning.bench,
    "free": bench_free.bench,
    "leaderboard": bench_leaderboard.bench,
    "comparisons": bench_comparisons.bench,
}


def machine() -> str:
    """Name what was measured on."""
    cpu = next((x.split(":")[1].strip() for x in _cpuinfo() if x.startswith("model name")), platform.machine())
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", no GPU"
    return f"{cpu}, {torch.get_num_threads()} threads{gpu}; torch {torch.__version__}, timm {timm.__version__}"


def _cpuinfo() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.exists() else []


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.performance", description=__doc__)
    parser.add_argument("benches", nargs="*", default=list(BENCHES), help=f"some of {', '.join(BENCHES)}")
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    text = (
        "# Performance\n\nWritten by `make bench`. Each table is one run, its rows timed in turn, medians; "
        f"compare ratios, not seconds of different runs.\n\n{machine()}; {datetime.now(UTC):%Y-%m-%d}.\n"
    )
    for name in asked.benches:
        table = BENCHES[name]().markdown()
        print(table, flush=True)
        text += "\n" + table
    if asked.write:
        asked.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
