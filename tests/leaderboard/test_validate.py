"""A check reports what keeps a record off the board, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from freeshot.basics.files import file_sha256
from freeshot.contracts.tracks import Track
from freeshot.leaderboard.submission import pack_records
from freeshot.leaderboard.validate import findings
from freeshot.records.load import load_records
from freeshot.records.models import IntervalRecord
from freeshot.stats.intervals import student_t

if TYPE_CHECKING:
    from collections.abc import Callable

    from freeshot.records.models import RunRecord

SKETCH = "in-domain/sketch/5w1s"
KNOWN = Track(SKETCH, "sketch", "mix", ("sketch",), "vit-toy", episodes=20, episodes_sha256="aa")
GOOD = {"episodes": "aa", "images": "i", "backbone": "b"}


def changed(record: RunRecord, **update: Any) -> RunRecord:
    return record.model_copy(update={"hashes": GOOD} | update)


def texts_of(records: list[RunRecord], track: Track = KNOWN, weight: str = "problem") -> list[str]:
    actual = findings(records, (), {SKETCH: track})
    return [f"{finding.where}: {finding.text}" for finding in actual if finding.weight == weight]


def test_a_good_record_has_no_findings(record: Callable[..., RunRecord]) -> None:
    assert findings([changed(record("alpha"))], (), {SKETCH: KNOWN}) == ()


@pytest.mark.parametrize(
    ("update", "track", "complaint"),
    [
        ({"hashes": GOOD | {"episodes": "bb"}}, KNOWN, "Its episodes differ from the frozen episodes of its track."),
        ({}, replace(KNOWN, version=2), "Its track is at version 2, but it was made with version 1."),
        ({}, replace(KNOWN, query=10), "Its track has other sizes"),
        ({}, replace(KNOWN, name="other"), ""),
        ({"comparable": False}, KNOWN, "It is marked as not comparable."),
    ],
)
def test_what_keeps_a_record_off_the_board_is_a_problem(
    record: Callable[..., RunRecord], update: dict[str, Any], track: Track, complaint: str
) -> None:
    problems = texts_of([changed(record("alpha"), **update)], track)
    assert bool(problems) == bool(complaint)
    assert not complaint or complaint in problems[0]


def test_failures_and_violations_are_problems(record: Callable[..., RunRecord]) -> None:
    assert "It failed: It broke." in texts_of([record("a", status="failed", reason="It broke.")])[0]
    assert "It violated the rules: It looked." in texts_of([record("a", status="violated", reason="It looked.")])[0]


def test_an_unknown_track_is_a_problem(record: Callable[..., RunRecord]) -> None:
    (finding,) = findings([changed(record("alpha"))], (), {})
    assert "No installed plugin provides its track." in finding.text


def test_records_of_different_inputs_are_a_problem(record: Callable[..., RunRecord]) -> None:
    records = [changed(record("alpha")), changed(record("beta"), hashes=GOOD | {"images": "j"})]
    assert texts_of(records) == [f"hashes: Records of '{SKETCH}' version 1 were made with 2 different images."]


def whole(record: RunRecord, accuracies: list[float], **update: Any) -> RunRecord:
    """Return a record of these accuracies, whose mean is 0.5, with their interval."""
    actual = student_t(accuracies)
    interval = IntervalRecord(mean=0.5, low=actual.low, high=actual.high, level=0.95, covers="episodes")
    return changed(record, **({"accuracies": accuracies, "interval": interval} | update))


NARROW = IntervalRecord(mean=0.5, low=0.49, high=0.51, level=0.95, covers="episodes")
BESIDE = IntervalRecord(mean=0.3, low=0.2, high=0.4, level=0.95, covers="episodes and images")


@pytest.mark.parametrize(
    ("first", "update", "complaints"),
    [
        (0.4, {}, []),
        (0.4001, {}, ["20 of its accuracies are not multiples of 1/75, one query. Rerun its cell."]),
        (0.4, {"interval": NARROW}, ["Its interval does not match its accuracies. Rerun its cell."]),
        (0.4, {"interval": NARROW.model_copy(update={"covers": "classes"})}, []),
        (
            0.4,
            {"wider_intervals": (BESIDE,)},
            ["Its mean lies outside its interval over episodes and images. Rerun its cell."],
        ),
    ],
)
def test_impossible_numbers_are_reported_once(
    record: Callable[..., RunRecord], first: float, update: dict[str, Any], complaints: list[str]
) -> None:
    faulty = whole(record("alpha"), [first, 1 - first] * 10, **update)
    assert [text.partition("): ")[2] for text in texts_of([faulty])] == complaints


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"log_odds": [0.5]}, "there are 1 log-odds for 20 episodes"),
        ({"accuracies": [0.4] * 20}, "the mean is not the mean of the accuracies"),
        ({"accuracies": [2.0] * 20}, "less than or equal to 1"),
        ({"wider_intervals": [BESIDE.model_dump() | {"low": 0.35}]}, "an interval must contain its mean"),
        ({"schema_version": 3}, "is a record of schema version 3"),
        ({"cell": "0" * 16}, "the cell's hash does not match its spec"),
    ],
)
def test_an_invalid_record_is_a_problem_of_its_file(
    record: Callable[..., RunRecord], change: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    plain = json.loads(record("alpha", wobble=0).model_dump_json())
    plain["accuracies"] = [0.6, 0.4] * 10
    (tmp_path / "x.json").write_text(json.dumps(plain | change))
    loaded = load_records(tmp_path)
    (finding,) = findings(loaded.records, loaded.problems, {SKETCH: KNOWN})
    assert (finding.weight, finding.where) == ("problem", "file")
    assert complaint in finding.text


def test_several_versions_of_a_plugin_are_remarked(record: Callable[..., RunRecord]) -> None:
    records = [changed(record("alpha", origin="mine 0.1")), changed(record("alpha", seed=1, origin="mine 0.2"))]
    assert texts_of(records, weight="remark") == ["versions: 'alpha' of pocket was run with mine 0.1, mine 0.2."]


def test_an_older_record_of_a_cell_is_remarked(record: Callable[..., RunRecord], tmp_path: Path) -> None:
    old, new = (changed(record("alpha", finished=f"2026-01-0{day}T00:00:00Z")) for day in (1, 2))
    for name, made in {"a": new, "b": old, "c": old}.items():
        made.write(tmp_path / f"{name}.json")
    loaded = load_records(tmp_path)
    assert (loaded.records, loaded.older) == ((new,), (old,))
    (finding,) = findings(loaded.records, loaded.problems, {SKETCH: KNOWN}, loaded.older)
    assert finding.text == "It is ignored, because its cell has a newer record."


def test_files_that_cannot_be_read_are_problems() -> None:
    (finding,) = findings([], ["x.json is not a valid record."], {})
    assert (finding.weight, finding.text) == ("problem", "x.json is not a valid record.")


def test_repeated_evaluation_and_uncommitted_changes_are_remarks(record: Callable[..., RunRecord]) -> None:
    repeated = changed(record("alpha"), test_evaluations=2)
    dirty = repeated.provenance.model_copy(update={"git_dirty": True})
    remarks = texts_of([repeated.model_copy(update={"provenance": dirty})], weight="remark")
    assert [text.partition(": ")[2] for text in remarks] == [
        "Its test episodes were evaluated 2 times.",
        "It was made with uncommitted changes.",
    ]


def test_a_row_with_gaps_is_remarked(record: Callable[..., RunRecord]) -> None:
    other = "in-domain/icons/5w1s"
    records = [changed(record("alpha")), changed(record("alpha", other)), changed(record("beta"))]
    actual = findings(records, (), {SKETCH: KNOWN, other: replace(KNOWN, name=other)})
    assert [f.text for f in actual] == ["'beta' of pocket lacks 1 of 2 tracks, so it has no average rank."]


def test_the_committed_records_pass() -> None:
    from freeshot.plugin.catalogue import Catalogue
    from freeshot.plugin.host import load_plugins

    loaded = load_records(Path(__file__).parents[2] / "results")
    actual = findings(loaded.records, loaded.problems, Catalogue(load_plugins()).tracks())
    assert [finding for finding in actual if finding.weight == "problem"] == []


def test_packed_records_can_be_loaded_and_are_listed(record: Callable[..., RunRecord], tmp_path: Path) -> None:
    records = [record("alpha"), record("alpha", "in-domain/icons/5w1s")]
    manifest = json.loads(pack_records(records, tmp_path).read_text())
    assert {r.cell for r in load_records(tmp_path).records} == {r.cell for r in records}
    assert all(file_sha256(tmp_path / name) == digest for name, digest in manifest.items())
    assert len(manifest) == 2
