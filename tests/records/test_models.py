"""Records are validated on reading, and their schema is frozen by a golden file."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freeshot.basics.errors import StoreError
from freeshot.records.models import RunRecord
from freeshot.version import __version__

GOLDEN = Path(__file__).parent / "golden_record.json"
Edit = Callable[[dict[str, Any]], None]


def drop(key: str) -> Edit:
    return lambda record: record.pop(key)


def put(path: str, value: object) -> Edit:
    def edit(record: dict[str, Any]) -> None:
        *folders, last = path.split(".")
        for folder in folders:
            record = record[folder]
        record[last] = value

    return edit


def test_the_golden_record_is_read_and_written_as_the_same_bytes(tmp_path: Path) -> None:
    RunRecord.read(GOLDEN).write(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == GOLDEN.read_bytes()


def test_the_golden_cell_keeps_its_hash() -> None:
    record = RunRecord.read(GOLDEN)
    assert record.spec.cell == record.cell == "1eac9bad4305b092"
    assert record.spec.title == "toy/in-domain/2w1s · lora-recycle"


@pytest.mark.parametrize(
    ("edit", "where", "why"),
    [
        (put("cell", "0" * 16), "record", "the cell's hash does not match its spec"),
        (put("spec.seed", 1), "record", "the cell's hash does not match its spec"),
        (put("accuracies", [0.5, 1.5, 0.25, 0.75]), "accuracies.1", "less than or equal to 1"),
        (put("accuracies", [0.5, 0.5, 0.5]), "record", "a finished record needs 4 accuracies and their interval"),
        (put("accuracies", [0.5, 0.5, 0.5, 0.75]), "record", "the mean is not the mean of the accuracies"),
        (put("accuracies", [0.5, math.nan, 0.5, 0.75]), "accuracies.1", "should be a finite number"),
        (put("interval", None), "record", "a finished record needs 4 accuracies and their interval"),
        (put("interval.low", 0.9), "interval", "an interval must contain its mean"),
        (put("interval.mean", 1.25), "interval.mean", "less than or equal to 1"),
        (put("interval.high", math.inf), "interval.high", "should be a finite number"),
        (put("status", "fine"), "status", "Input should be 'ok', 'failed', 'violated' or 'skipped'"),
        (put("status", "failed"), "record", "a record with status failed needs a reason"),
        (put("schema_version", "1"), "schema_version", "Input should be a valid integer"),
        (put("spec.track.way", 0), "spec.track.way", "greater than or equal to 1"),
        (put("spec.seed", 10**30), "spec.seed", "less than 9223372036854775808"),
        (put("surplus", 1), "surplus", "Extra inputs are not permitted"),
        (put("spec.track.surplus", 1), "spec.track.surplus", "Extra inputs are not permitted"),
        (drop("provenance"), "provenance", "Field required"),
        (put("test_evaluations", -1), "test_evaluations", "greater than or equal to 0"),
    ],
)
def test_an_invalid_record_is_refused_with_the_field_and_the_reason(
    tmp_path: Path, edit: Edit, where: str, why: str
) -> None:
    record = copy.deepcopy(json.loads(GOLDEN.read_text()))
    edit(record)
    file = tmp_path / "record.json"
    file.write_text(json.dumps(record))
    with pytest.raises(StoreError) as caught:
        RunRecord.read(file)
    message = str(caught.value)
    assert message.startswith(f"{file} is not a valid record ({where}: ")
    assert why in message
    assert message.endswith("). Delete it or run its cell again.")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("version", "advice"), [(3, "Update FreeShot, or run"), (1, "Read it with the FreeShot that wrote it, or run")]
)
def test_for_a_record_of_another_schema_version_the_error_gives_advice(
    tmp_path: Path, version: int, advice: str
) -> None:
    record = json.loads(GOLDEN.read_text()) | {"schema_version": version, "surplus": 1}
    (tmp_path / "record.json").write_text(json.dumps(record))
    with pytest.raises(StoreError) as caught:
        RunRecord.read(tmp_path / "record.json")
    assert str(caught.value) == (
        f"{tmp_path / 'record.json'} is a record of schema version {version}, and FreeShot {__version__} reads "
        f"version 2. {advice} its cell again."
    )


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "half of a reco"])
def test_text_that_is_not_a_json_object_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(StoreError, match=r"record\.json is not a valid record \(record: "):
        RunRecord.read(tmp_path / "record.json")


def test_a_missing_record_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"absent\.json cannot be read \(.*\)\. Delete it or run its cell again\.$"):
        RunRecord.read(tmp_path / "absent.json")


def test_bytes_that_are_not_text_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_bytes(b"\xff\xfe")
    with pytest.raises(StoreError, match=r"record\.json cannot be read "):
        RunRecord.read(tmp_path / "record.json")


def test_a_failed_record_needs_only_its_reason(tmp_path: Path) -> None:
    record = json.loads(GOLDEN.read_text())
    record |= {"status": "failed", "reason": "The loss is nan.", "accuracies": [], "interval": None}
    (tmp_path / "record.json").write_text(json.dumps(record))
    assert RunRecord.read(tmp_path / "record.json").reason == "The loss is nan."


def test_every_part_of_a_spec_changes_its_hash() -> None:
    spec = RunRecord.read(GOLDEN).spec
    changes: list[dict[str, Any]] = [
        {},
        {"seed": 1},
        {"limit": 2},
        {"suite": "another"},
        {"track": spec.track.model_copy(update={"version": 2})},
        {"method": spec.method.model_copy(update={"options": {}})},
        {"components": {}},
    ]
    assert len({spec.model_copy(update=change).cell for change in changes}) == len(changes)


def test_the_list_of_changed_options_is_not_hashed() -> None:
    spec = RunRecord.read(GOLDEN).spec
    method = spec.method.model_copy(update={"changed": ("per_class",)})
    assert spec.model_copy(update={"method": method}).cell == spec.cell
