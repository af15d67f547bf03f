"""Measure what bfloat16 changes: `python -m makers.precision_effect RECORDS WORK > results/precision.md`.

Runs the cells of some committed records again with --precision bf16, and compares their accuracies episode by episode.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from freeshot.launch.plan import plan_run
from freeshot.launch.request import RunRequest
from freeshot.launch.runner import execute_plan
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import load_plugins
from freeshot.records.load import load_records
from freeshot.records.models import RunRecord
from freeshot.stats.intervals import student_t

METHODS = ("frozen-prototype", "lora-average", "lora-recycle")
HEAD = """\
# What bfloat16 changes

`freeshot run pocket --precision bf16` against the committed records in fp32, the same episodes. Differences are
bf16 − fp32 in accuracy points with their 95 % interval over episodes; `changed` is the share of episodes with another
accuracy. Of lora-recycle, inversion and meta-training are in bfloat16 as well, and end in another meta-LoRA.
Regenerate with `make precision`.

| method | track | fp32 | difference | changed |
|---|---|---:|---:|---:|
"""


def measure(records: Path, work: Path) -> str:
    """Run the cells in bfloat16 in the folder `work`, which resumes, and return the table."""
    catalogue = Catalogue(load_plugins())
    request = RunRequest("pocket", methods=METHODS, precision="bf16", results=work / "results", cache=work / "cache")
    execute_plan(plan_run(request, catalogue), request, catalogue)
    full = {_key(record): record for record in load_records(records).records if record.status == "ok"}
    pairs = [(full[_key(half)], half) for half in load_records(request.results).records if half.status == "ok"]
    return HEAD + "".join(sorted(_row(*pair) for pair in pairs))


def _key(record: RunRecord) -> tuple[str, str]:
    return record.spec.method.name, record.spec.track.name


def _row(full: RunRecord, half: RunRecord) -> str:
    differences = np.array(half.accuracies) - np.array(full.accuracies)  # [episodes]
    interval = student_t(differences.tolist())
    width = 100 * (interval.high - interval.low) / 2
    changed = 100 * float((differences != 0).mean())
    mean, shift = 100 * float(np.mean(full.accuracies)), 100 * float(differences.mean())
    names = f"| {full.spec.method.name} | {full.spec.track.name} |"
    difference = f"{shift:+.2f} ± {width:.2f}".replace("-", "−")
    return f"{names} {mean:.2f} | {difference} | {changed:.0f} % |\n"


if __name__ == "__main__":
    print(measure(Path(sys.argv[1]), Path(sys.argv[2])), end="")
