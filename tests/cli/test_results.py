"""`freeshot results` checks records and packs them for a submission."""

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
    evaluations = sum(record.test_evaluations for record in records)
    assert result.stdout.endswith(f"test evaluations: {evaluations}.\n")


def test_test_evaluations_of_all_folders_are_added_up(call: Call, tmp_path: Path) -> None:
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
    for index, record in enumerate(records):
        record.write(tmp_path / "results" / f"{index}.json")
    out = tmp_path / "to-send"
    arguments = (str(tmp_path / "results"), "--out", str(out))
    result = call("results", "pack", "alpha [learner=mine]", *arguments, plugins="")
    assert f"Packed 1 record in {out}." in result.stdout
    assert "2 other records of this method left out: of other rows, or of none" in result.stderr
    assert [record.cell for record in load_records(out).records] == [records[1].cell]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nose",), "No row or method with records is called 'nose'. Did you mean 'noise'?"),
        (("noise", "--suite", "pocke"), "No suite with records is called 'pocke'. Did you mean 'pocket'?"),
        (("bell",), "'bell' is a component, not a row or method. Use a row that has it, e.g. 'free"),
    ],
)
def test_a_name_without_records_is_an_error(
    call: Call, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = call("results", "pack", *arguments, RESULTS, "--out", str(tmp_path / "x"), plugins=PLUGINS)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "x").exists()


def test_an_empty_folder_is_an_error(call: Call, tmp_path: Path) -> None:
    assert "There are no records in" in call("results", "check", str(tmp_path), plugins="").stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write four records of two suites."""
    near, far = "in-domain/a/5w1s", "cross-domain/b/5w1s"
    records = [
        make_record("alpha", near, 0.5),
        make_record("alpha", near, 0.6, options={"rank": 8}),
        make_record("beta", far, status="failed", reason="The disk is full."),
        make_record("beta", near, suite="other", limit=5),
    ]
    for record in records:
        record.write(tmp_path / "results" / record.spec.relative_path)
    return tmp_path / "results"


def rows(text: str) -> list[str]:
    return [" ".join(line.split()[1:]) for line in text.splitlines()[1:]]


def test_records_are_listed(call: Call, folder: Path) -> None:
    assert rows(call("results", "list", str(folder), plugins="").stdout) == [
        "other in-domain/a/5w1s beta 52.00 ± 13.60 (5 episodes) fp32 2026-01-01",
        "pocket cross-domain/b/5w1s beta failed fp32 2026-01-01",
        "pocket in-domain/a/5w1s alpha 50.00 ± 4.80 fp32 2026-01-01",
        "pocket in-domain/a/5w1s alpha [rank=8] 60.00 ± 4.80 fp32 2026-01-01",
    ]


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (("--suite", "pocket"), 3),
        (("--track", "in-domain/*"), 3),
        (("--method", "alpha"), 2),
        (("--method", "alpha [rank=8]"), 1),
        (("--suite", "pocket", "--track", "*/5w1s", "--method", "alpha", "--method", "beta"), 3),
    ],
)
def test_the_list_is_filtered(call: Call, folder: Path, arguments: tuple[str, ...], count: int) -> None:
    assert len(rows(call("results", "list", str(folder), *arguments, plugins="").stdout)) == count


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--suite", "poket"), "No suite with records is called 'poket'. Did you mean 'pocket'?"),
        (("--track", "in-domian/*"), "No track with records is called 'in-domian/*'."),
        (("--method", "alfa"), "No row or method with records is called 'alfa'. Did you mean 'alpha'?"),
    ],
)
def test_a_filter_that_matches_no_record_is_refused(
    call: Call, folder: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    done = call("results", "list", str(folder), *arguments, plugins="")
    assert done.exit_code == 2
    assert sentence in done.stderr


def test_seeds_are_listed_if_there_are_several(call: Call, tmp_path: Path) -> None:
    for seed in (0, 1):
        make_record(seed=seed).write(tmp_path / f"{seed}.json")
    lines = rows(call("results", "list", str(tmp_path), plugins="").stdout)
    assert [line.split("±")[0] for line in lines] == [
        f"pocket in-domain/sketch/5w1s alpha, seed {seed} 50.00 " for seed in (0, 1)
    ]


def test_the_list_is_written_as_json_and_csv(call: Call, folder: Path) -> None:
    listed = json.loads(call("results", "list", str(folder), "--format", "json", plugins="").stdout)
    assert [(row["label"], row["status"], row["accuracy"]) for row in listed[1:3]] == [
        ("beta", "failed", None),
        ("alpha", "ok", pytest.approx(0.5)),
    ]
    assert {row["record"] for row in listed} == {record.cell for record in load_records(folder).records}
    head, *lines = call("results", "list", str(folder), "--format", "csv", plugins="").stdout.splitlines()
    assert head.split(",") == [*listed[0]]
    assert lines[1].endswith(",The disk is full.")


def test_an_invalid_record_is_a_warning(call: Call, folder: Path) -> None:
    (folder / "broken.json").write_text("{")
    done = call("results", "list", str(folder), plugins="")
    assert done.exit_code == 0
    assert "broken.json is not a valid record" in done.stderr


def test_a_record_is_shown_by_the_first_digits_of_its_hash_or_by_its_file(call: Call, folder: Path) -> None:
    record = next(record for record in load_records(folder).records if record.spec.method.options)
    path = folder / record.spec.relative_path
    shown = call("results", "show", record.cell[:8], str(folder), plugins="").stdout
    assert shown == call("results", "show", str(path), plugins="").stdout
    plain = [" ".join(line.split()) for line in shown.splitlines()]
    for line in ("method alpha", "accuracy 60.00 %, 95 % interval 55.20 … 64.80, over episodes"):
        assert line in plain
    assert "rank 8 (not the default)" in plain
    assert plain[-2:] == [f"File: {path}", f"Reproduce it: freeshot reproduce {path}"]


def test_every_field_of_a_record_is_shown(call: Call) -> None:
    path = next(Path(RESULTS, "pocket").rglob("lora-recycle-*.json"))
    shown = " ".join(call("results", "show", str(path), plugins="").stdout.split())
    record = json.loads(path.read_text(encoding="utf-8"))
    for name in ("cell", "method", "backbone", "track", "cost", "rules", "hashes of inputs", "provenance"):
        assert name in shown
    for value in (record["hashes"]["images"], record["provenance"]["finished"], *record["quality"]["recall"]):
        assert value in shown
    for component in record["spec"]["components"].values():
        assert component["name"] in shown
        assert all(option in shown for option in component["options"])


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "'' is neither a file nor the beginning of a hash of a record in"),
        ("0f0f0f", "'0f0f0f' is neither a file nor the beginning of a hash of a record in"),
        ("alpha", "'freeshot results list' shows the hashes."),
    ],
)
def test_a_name_that_matches_no_record_is_refused(call: Call, folder: Path, name: str, sentence: str) -> None:
    done = call("results", "show", name, str(folder), plugins="")
    assert done.exit_code == 2
    assert sentence in done.stderr


def test_a_hash_of_two_files_is_refused(call: Call, folder: Path) -> None:
    record = load_records(folder).records[0]
    record.write(folder / "copy" / record.spec.relative_path)
    done = call("results", "show", record.cell, str(folder), plugins="")
    assert f"2 records have a hash that begins with '{record.cell}': {folder}" in done.stderr
    assert done.stderr.endswith(".json. Give one of these files, or more digits.\n")


def test_the_text_of_a_hostile_record_is_printed_on_its_line(call: Call, tmp_path: Path) -> None:
    record = make_record(status="failed", reason="\x1b[31mred\nsecond line")
    record.write(tmp_path / "x.json")
    for arguments in (("list", str(tmp_path)), ("show", str(tmp_path / "x.json"))):
        output = call("results", *arguments, plugins="").output
        assert "\x1b" not in output
        assert "\nsecond" not in output
