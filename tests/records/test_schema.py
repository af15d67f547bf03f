"""The published schema is that of the models: it accepts every committed record, and refuses only what they do."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from tests.records.test_models import GOLDEN, Edit, drop, put

from freeshot.basics.errors import StoreError
from freeshot.records.models import SCHEMA_VERSION, RunRecord
from freeshot.records.schema import record_schema

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / f"docs/reference/record-{SCHEMA_VERSION}.schema.json"
VALIDATOR = Draft202012Validator(record_schema())


def golden() -> dict[str, Any]:
    actual: dict[str, Any] = json.loads(GOLDEN.read_text())
    return actual


def test_the_published_schema_is_that_of_the_models() -> None:
    again = "Write it again with: freeshot results schema > docs/reference/record-2.schema.json"
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == record_schema(), again


def test_it_is_a_schema_of_its_draft_with_a_name() -> None:
    schema = record_schema()
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    assert (schema["$id"], schema["title"]) == ("urn:freeshot:record:2", "A FreeShot record, schema version 2")


def test_every_committed_record_is_valid_under_it() -> None:
    files = [path for path in (ROOT / "results").rglob("*.json") if "leaderboard" not in path.parts]
    assert files
    for path in [GOLDEN, *files]:
        assert VALIDATOR.is_valid(json.loads(path.read_text(encoding="utf-8"))), path


@pytest.mark.parametrize(
    "edit",
    [
        drop("cell"), drop("spec"), drop("provenance"), put("surplus", 1), put("spec.track.surplus", 1),
        put("schema_version", 1), put("schema_version", "1"), put("cell", "no hash"), put("status", "fine"),
        put("status", "failed"), put("accuracies", [0.5, 1.5, 0.25, 0.75]), put("accuracies", [0.5, "0.5", 0.5, 0.5]),
        put("accuracies", []), put("interval", None), put("interval.mean", 1.25), put("interval.level", 1),
        put("test_evaluations", -1), put("test_evaluations", 0.5),
        put("spec.seed", 10**30), put("spec.track.way", 0), put("spec.limit", 0),
        put("stages", [{"stage": "x", "seconds": -1, "peak_bytes": 0}]), put("tags.data_free", "maybe"),
        put("stages", [{"stage": "x", "seconds": 1e300, "peak_bytes": 0}]), put("provenance.threads", True),
        put("quality", {"ece": 2, "brier": 0, "recall": {}}), put("hashes", {"pool": 1}), put("comparable", "yes"),
    ],
)  # fmt: skip
def test_a_record_that_it_refuses_is_refused_by_the_models(tmp_path: Path, edit: Edit) -> None:
    record = copy.deepcopy(golden())
    edit(record)
    assert not VALIDATOR.is_valid(record)
    (tmp_path / "record.json").write_text(json.dumps(record))
    with pytest.raises(StoreError):
        RunRecord.read(tmp_path / "record.json")
