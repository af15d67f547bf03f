"""The migration of the committed records to schema version 2 changed names and cells, but no measurement."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE.parents[1] / "results"
DIGESTS = HERE / "measurements_of_schema_1.txt"
"""A digest of the measurements of each record of version 1, from before the migration."""
MIGRATED = "2026-11-30T13:00"
"""Records that finished later were written as version 2."""


def measurements(record: dict[str, Any]) -> list[Any]:
    """List everything measured in the JSON of a record of version 2, without the names of fields."""
    names = ("stage", "seconds", "peak_bytes", "cached", "flops", "joules", "learned_weights", "facts")
    stages = [[stage[name] for name in names] for stage in record["stages"]]
    cost = record["task_cost"]
    return [
        record["status"], record["reason"], record["comparable"], record["accuracies"], record["interval"],
        record["wider_intervals"], record["quality"], record["log_odds"], record["test_evaluations"], stages,
        cost and [cost["flops"], cost["tuned_weights"]], record["hashes"], record["provenance"],
        record["spec"]["seed"], record["spec"]["limit"],
    ]  # fmt: skip


def digest(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(measurements(record), sort_keys=True).encode()).hexdigest()[:16]


def test_every_migrated_record_keeps_its_numbers() -> None:
    before = set(DIGESTS.read_text(encoding="utf-8").split())
    records = [json.loads(path.read_text(encoding="utf-8")) for path in RESULTS.rglob("*-*.json")]
    migrated = [record for record in records if record["provenance"]["finished"] < MIGRATED]
    assert len(migrated) > 100
    assert [record["cell"] for record in migrated if digest(record) not in before] == []


def test_a_changed_accuracy_changes_the_digest() -> None:
    record = json.loads(next(RESULTS.rglob("*-*.json")).read_text(encoding="utf-8"))
    before = digest(record)
    record["accuracies"][0] += 1e-9
    assert digest(record) != before
