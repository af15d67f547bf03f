"""`freeshot results` checks records and packs those that are to be sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.leaderboard.conftest import make_record

from freeshot.records.load import load_records

if TYPE_CHECKING:
    from tests.cli.conftest import Call

RESULTS = str(Path(__file__).parents[2] / "results")
PLUGINS = "vision,baselines,lora-recycle"


def test_the_committed_records_are_checked(call: Call) -> None:
    result = call("results", "check", RESULTS, plugins=PLUGINS)
    assert result.exit_code == 0, result.output
    assert " 0 problems" in result.stdout
    records = load_records(Path(RESULTS)).records
    looks = sum(record.test_evaluations for record in records)
    assert result.stdout.endswith(f"test evaluations: {looks}.\n")


def test_looks_of_all_folders_are_added_up(call: Call, tmp_path: Path) -> None:
    for name in ("one", "two"):
        folders = ("--results", str(tmp_path / "all" / name), "--cache", str(tmp_path / "cache"))
        call(
            "run",
            "toy",
            "--track",
            "*/2w1s",
            "--method",
            "frozen-prototype",
            *folders,
            plugins="toy,baselines,launchers",
        )
    result = call("results", "check", str(tmp_path / "all"), plugins="toy")
    assert result.stdout.splitlines()[-1].startswith("1 record, 0 problems, ")
    assert result.stdout.endswith("test evaluations: 2.\n")


def test_the_schema_is_printed(call: Call) -> None:
    schema = json.loads(call("results", "schema", plugins="").stdout)
    assert schema["$id"] == "urn:freeshot:record:2"


def test_records_of_unknown_tracks_are_problems(call: Call) -> None:
    result = call("results", "check", RESULTS, plugins="")
    assert result.exit_code == 1
    assert "✗ in-domain/icons/5w1s · free" in result.stdout
    assert "No installed plugin provides its track." in result.stdout


def test_a_methods_records_are_packed(call: Call, tmp_path: Path) -> None:
    out = tmp_path / "to-send"
    arguments = ("results", "pack", "noise", RESULTS, "--suite", "pocket", "--out", str(out))
    assert (
        f"Packed 12 records in {out}. To submit them, copy the contents to results/"
        in call(*arguments, plugins=PLUGINS).stdout
    )
    assert len(list(out.rglob("noise-*.json"))) == 12
    again = call(*arguments, plugins=PLUGINS)
    assert "is not empty" in again.stderr


def test_a_row_is_packed_without_the_others_of_its_method(call: Call, tmp_path: Path) -> None:
    records = [
        make_record(learner="walk"),
        make_record(learner="mine"),
        make_record(learner="mine", limit=5),
        make_record("beta"),
    ]
    for place, record in enumerate(records):
        record.write(tmp_path / "results" / f"{place}.json")
    out = tmp_path / "to-send"
    arguments = (str(tmp_path / "results"), "--out", str(out))
    result = call("results", "pack", "alpha [learner=mine]", *arguments, plugins="")
    assert f"Packed 1 record in {out}." in result.stdout
    assert "2 other records of this method left out: of other rows, or of none" in result.stderr
    assert [record.cell for record in load_records(out).records] == [records[1].cell]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("nose",), "No row or method with records is called 'nose'. Did you mean 'noise'?"),
        (("noise", "--suite", "pocke"), "No suite with records is called 'pocke'. Did you mean 'pocket'?"),
        (("bell",), "'bell' is a component, not a row or method. Use a row that has it, e.g. 'free"),
    ],
)
def test_a_name_without_records_is_told(call: Call, tmp_path: Path, asked: tuple[str, ...], told: str) -> None:
    result = call("results", "pack", *asked, RESULTS, "--out", str(tmp_path / "x"), plugins=PLUGINS)
    assert result.exit_code == 2
    assert told in result.stderr
    assert not (tmp_path / "x").exists()


def test_an_empty_folder_is_told(call: Call, tmp_path: Path) -> None:
    assert "There are no records in" in call("results", "check", str(tmp_path), plugins="").stderr
