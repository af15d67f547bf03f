"""Measure what bfloat16 changes: `python -m makers.precision_effect RECORDS WORK PAGE [PROFILE]`, one table of a page.

RECORDS is the folder of a suite's committed records, all in one precision. Some of its cells are run again in the other
precision in WORK, where an interrupted run resumes, and compared episode by episode. The table is between two marks on
PAGE, which name the suite.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from freeshot.launch.plan import plan_run
from freeshot.launch.request import RunRequest
from freeshot.launch.runner import execute_plan
from freeshot.leaderboard.labels import Configuration, configuration
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import load_plugins
from freeshot.records.load import load_records
from freeshot.records.models import Precision, RunRecord
from freeshot.stats.intervals import student_t


@dataclass(frozen=True)
class Compared:
    """Cells of a suite that are run in both precisions."""

    methods: tuple[str, ...]
    tracks: tuple[str, ...] = ()
    """All of the profile if empty."""


COMPARED = {
    "pocket": Compared(("frozen-prototype", "lora-average", "lora-recycle")),
    "paper": Compared(("frozen-prototype", "lora-average"), ("in-domain/cifar-fs-100/*",)),
}
"""By suite. On CLIP rows without inversion only, which takes an hour in single precision."""
HEAD = "| method | track | fp32 | bf16 − fp32 | changed |\n|---|---|---:|---:|---:|\n"
OTHER: dict[Precision, Precision] = {"fp32": "bf16", "bf16": "fp32"}


def measure(records: Path, work: Path, suite: str, profile: str | None = None) -> str:
    """Run the cells in the precision that the committed records do not have, and return the table."""
    committed = {_key(record): record for record in load_records(records).records if record.status == "ok"}
    (precision,) = {record.spec.precision for record in committed.values()}
    catalogue, compared = Catalogue(load_plugins()), COMPARED[suite]
    request = RunRequest(
        suite,
        profile,
        compared.tracks,
        compared.methods,
        precision=OTHER[precision],
        results=work / "results",
        cache=work / "cache",
    )
    execute_plan(plan_run(request, catalogue), request, catalogue)
    repeated = [record for record in load_records(request.results).records if record.status == "ok"]
    pairs = [(committed[_key(record)], record) for record in repeated if _key(record) in committed]
    return HEAD + "".join(sorted(effect_row(*pair) for pair in pairs))


def with_effect(page: str, suite: str, table: str) -> str:
    """Return the page with a suite's table exchanged; KeyError if the page has no marks of that suite."""
    marked = re.compile(
        rf"(<!-- precision {re.escape(suite)}: begin -->\n).*?(<!-- precision {suite}: end -->)", re.DOTALL
    )
    if not marked.search(page):
        raise KeyError(f"The page has no marks '<!-- precision {suite}: begin -->' and '… end -->'")
    return marked.sub(lambda block: f"{block[1]}{table}{block[2]}", page)


def effect_row(first: RunRecord, second: RunRecord) -> str:
    """Return a line of the table from two records of the same episodes, one in each precision, in either order."""
    full, half = (first, second) if first.spec.precision == "fp32" else (second, first)
    differences = np.array(half.accuracies) - np.array(full.accuracies)  # [episodes]
    interval = student_t(differences.tolist())
    width = 100 * (interval.high - interval.low) / 2
    changed = 100 * float((differences != 0).mean())
    mean, shift = 100 * float(np.mean(full.accuracies)), 100 * float(differences.mean())
    difference = f"{shift:+.2f} ± {width:.2f}".replace("-", "−")
    return f"| {_label(full)} | {full.spec.track.name} | {mean:.2f} | {difference} | {changed:.0f} % |\n"


def _key(record: RunRecord) -> tuple[Configuration, str]:
    """Return what both precisions of a cell have in common."""
    return configuration(record.spec.model_copy(update={"precision": "fp32"})), record.spec.track.name


def _label(record: RunRecord) -> str:
    """Return the method with the options that its row changes."""
    chosen = record.spec.method
    changed = [f"{key}={chosen.options[key]}" for key in chosen.changed if key not in record.spec.components]
    return " ".join([chosen.name, *changed])


if __name__ == "__main__":
    source, work, page = map(Path, sys.argv[1:4])
    text = page.read_text(encoding="utf-8")
    table = measure(source, work, source.name, *sys.argv[4:])
    page.write_text(with_effect(text, source.name, table), encoding="utf-8")
