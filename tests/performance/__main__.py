"""Run all benches, print their tables, and write them with --write: `python -m tests.performance --write FILE`."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import timm
import torch
from tests.performance import (
    bench_audit,
    bench_commands,
    bench_comparisons,
    bench_embedding,
    bench_episodes,
    bench_free,
    bench_inversion,
    bench_launch,
    bench_leaderboard,
    bench_memory,
    bench_meta_training,
    bench_page,
    bench_pool,
    bench_prior,
    bench_recycle,
    bench_scaling,
    bench_spread,
    bench_tuning,
)

if TYPE_CHECKING:
    from tests.performance.measure import Table

BENCHES: dict[str, Callable[[], Table]] = {
    "pool": bench_pool.bench,
    "inversion": bench_inversion.bench,
    "prior": bench_prior.bench,
    "meta-training": bench_meta_training.bench,
    "recycle": bench_recycle.bench,
    "embedding": bench_embedding.bench,
    "episodes": bench_episodes.bench,
    "spread": bench_spread.bench,
    "audit": bench_audit.bench,
    "tuning": bench_tuning.bench,
    "free": bench_free.bench,
    "scaling": bench_scaling.bench,
    "memory": bench_memory.bench,
    "commands": bench_commands.bench,
    "launch": bench_launch.bench,
    "leaderboard": bench_leaderboard.bench,
    "page": bench_page.bench,
    "comparisons": bench_comparisons.bench,
}


def machine() -> str:
    """Describe the machine of the measurements."""
    cpu = next((x.split(":")[1].strip() for x in _cpuinfo() if x.startswith("model name")), platform.machine())
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", no GPU"
    return f"{cpu}, {torch.get_num_threads()} threads{gpu}; torch {torch.__version__}, timm {timm.__version__}"


def _cpuinfo() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.exists() else []


HEAD = (
    "# Performance\n\nWritten by `make bench`. Each table is one run, its rows timed in turn, medians; "
    "compare ratios, not seconds of different runs.\n"
)


def merged(page: str, tables: Sequence[str], head: str = HEAD) -> str:
    """Put tables into a page of tables, each in place of the table of the same title or at the end; others stay."""
    current = {_title(table): table for table in page.split("\n## ")[1:]}
    current |= {_title(table.removeprefix("## ")): table.removeprefix("## ") for table in tables}
    return head + "".join(f"\n## {table.strip()}\n" for table in current.values())


def _title(table: str) -> str:
    return table.partition("\n")[0]


def main(
    prog: str = "python -m tests.performance",
    benches: Mapping[str, Callable[[], Table]] = BENCHES,
    head: str = HEAD,
    description: str | None = __doc__,
) -> None:
    """Run the requested benches, print their tables, and write them into a page that begins with `head`."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("benches", nargs="*", default=list(benches), help=f"some of {', '.join(benches)}")
    parser.add_argument("--write", type=Path, help="keeps the tables that are not run again")
    requested = parser.parse_args()
    run(benches, requested.benches, requested.write, head)


def run(benches: Mapping[str, Callable[[], Table]], names: Sequence[str], page: Path | None, head: str) -> None:
    """Run benches by name; print each table with machine and date, and put it into a page that begins with `head`."""
    for name in names:
        table = benches[name]().markdown() + f"\n{machine()}; {datetime.now(UTC):%Y-%m-%d}.\n"
        print(table, flush=True)
        if page:
            current = page.read_text(encoding="utf-8") if page.exists() else ""
            page.write_text(merged(current, [table], head), encoding="utf-8")


if __name__ == "__main__":
    main()
