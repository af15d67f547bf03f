"""`freeshot results` checks records and packs those that are to be sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from freeshot.report import load_records

if TYPE_CHECKING:
    from tests.cli.conftest import Call

RESULTS = str(Path(__file__).parents[2] / "results")
PLUGINS = "vision,baselines,lora-recycle"


def test_the_committed_records_are_checked(call: Call) -> None:
    result = call("results", "check", RESULTS, plugins=PLUGINS)
    assert result.exit_code == 0, result.output
    assert " 0 problems" in result.stdout
    records = load_records(Path(RESULTS)).records
    looks = sum(record.looks for record in records)
    assert result.stdout.endswith(f"looks at test episodes: {looks}.\n")


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
    assert result.stdout.splitlines()[-1].startswith("1 records, 0 problems, ")
    assert result.stdout.endswith("looks at test episodes: 2.\n")


def test_the_schema_is_printed(call: Call) -> None:
    schema = json.loads(call("results", "schema", plugins="").stdout)
    assert schema["$id"] == "urn:freeshot:record:1"


def test_records_of_unknown_tracks_are_problems(call: Call) -> None:
    result = call("results", "check", RESULTS, plugins="")
    assert result.exit_code == 1
    assert "✗ in-domain/icons/5w1s · free" in result.stdout
    assert "Its track is not known here." in result.stdout


def test_a_methods_records_are_packed(call: Call, tmp_path: Path) -> None:
    out = tmp_path / "to-send"
    arguments = ("results", "pack", "noise", "--results", RESULTS, "--suite", "pocket", "-o", str(out))
    assert f"12 records are in {out}. Send that folder." in call(*arguments, plugins=PLUGINS).stdout
    assert len(list(out.rglob("noise-*.json"))) == 12
    again = call(*arguments, plugins=PLUGINS)
    assert "already holds files" in again.stderr


def test_a_method_without_records_is_told(call: Call, tmp_path: Path) -> None:
    result = call("results", "pack", "nose", "--results", RESULTS, "-o", str(tmp_path / "x"), plugins=PLUGINS)
    assert "Did you mean 'noise'?" in result.stderr


def test_an_empty_folder_is_told(call: Call, tmp_path: Path) -> None:
    assert "There is no record under" in call("results", "check", str(tmp_path), plugins="").stderr
