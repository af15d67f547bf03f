"""Seconds of the audit of a cell beside its evaluation."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from tests.performance.measure import Table

from freeshot.contracts.tracks import Row
from freeshot.pipeline.cell import CellRun
from freeshot.pipeline.context import RunContext
from freeshot.pipeline.resolve import resolve_cell
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import load_plugins
from freeshot.records.models import RunRecord

TRACK = "in-domain/icons/5w1s"
EPISODES = 600
CASES: dict[str, tuple[dict[str, str], int | None]] = {
    "frozen-prototype": ({}, None),
    "knn": ({}, None),
    "linear-probe": ({"trials": "2"}, None),
    "lora-finetuning": ({"trials": "2"}, 150),
    "full-finetuning": ({"trials": "1", "lrs": "3e-4", "heads": "prototype"}, 60),
}
"""Method → options that shorten its preparation, and episodes that are scored; None: all."""


def record_of(environment: RunContext, method: str, options: dict[str, str], limit: int | None) -> RunRecord:
    """Run one cell."""
    catalogue = environment.catalogue
    cell, _ = resolve_cell(catalogue, "bench", Row(method, options), catalogue.tracks()[TRACK], limit=limit)
    record = CellRun(environment, cell, environment.cache / "results").run()
    assert record.status == "ok", record.reason
    return record


def bench() -> Table:
    """Run a cell of each kind, and compare the two stages of its record."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        environment = RunContext(Catalogue(load_plugins()), Path(folder), Path("data"), torch.device("cpu"))
        for method, (options, limit) in CASES.items():
            record = record_of(environment, method, options, limit)
            assert record.audit is not None
            evaluation = record.stages[-1].seconds * EPISODES / (limit or EPISODES)
            audit = record.audit.seconds
            rows.append((method, f"{evaluation:.1f}", f"{audit:.2f}", f"{100 * audit / evaluation:.1f} %"))
    note = (
        f"{TRACK}, {EPISODES} episodes, 20 of them scored again. Evaluations of tuned rows are measured on fewer "
        "episodes and scaled; the audit is measured whole."
    )
    return Table("Audit", note, ("method", "evaluation, s", "audit, s", "share"), tuple(rows))
