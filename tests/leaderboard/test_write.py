from __future__ import annotations

from typing import TYPE_CHECKING

from freeshot.records.load import load_records
from freeshot.render import stale_leaderboards, write_leaderboards

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from freeshot.records.models import RunRecord

    Make = Callable[..., RunRecord]


def test_a_broken_file_is_reported_in_one_sentence_and_the_rest_is_loaded(record: Make, tmp_path: Path) -> None:
    record().write(tmp_path / "pocket" / "good.json")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe")
    loaded = load_records(tmp_path)
    assert loaded.records == (record(),)
    assert [problem.count("\n") for problem in loaded.problems] == [0, 0]
    assert f"{tmp_path / 'broken.json'} is not a valid record" in loaded.problems[0]
    assert loaded.problems[0].endswith("Delete it or run its cell again.")


def test_leaderboards_and_temporary_files_are_not_records(record: Make, tmp_path: Path) -> None:
    record().write(tmp_path / "a.json")
    for name in ("leaderboard/x.json", "pocket/leaderboard/x.json", ".a.json.tmp.json", ".git/x.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{")
    loaded = load_records(tmp_path)
    assert (len(loaded.records), loaded.problems) == (1, ())


def test_of_two_records_of_a_cell_the_newest_is_kept(record: Make, tmp_path: Path) -> None:
    new = record(status="failed", finished="2026-02-01T00:00:00Z")
    for name, made in {"a": new, "b": record(finished="2026-01-31T23:59:59Z")}.items():
        made.write(tmp_path / f"{name}.json")
    assert load_records(tmp_path).records == (new,)


def test_records_are_sorted_by_track_and_method(record: Make, tmp_path: Path) -> None:
    for i, made in enumerate([record("b"), record("a"), record("a", "cross-domain/flags/5w1s")]):
        made.write(tmp_path / f"{i}.json")
    actual = [(r.spec.track.name, r.spec.method.name) for r in load_records(tmp_path).records]
    assert actual == [
        ("cross-domain/flags/5w1s", "a"),
        ("in-domain/sketch/5w1s", "a"),
        ("in-domain/sketch/5w1s", "b"),
    ]


def test_a_missing_folder_holds_no_records(tmp_path: Path) -> None:
    assert load_records(tmp_path / "none").records == ()
    assert stale_leaderboards(tmp_path / "none") == []


def test_written_leaderboards_are_fresh_until_a_record_changes(record: Make, tmp_path: Path) -> None:
    record().write(tmp_path / "a.json")
    record(suite="full").write(tmp_path / "b.json")
    page, other = tmp_path / "leaderboard/pocket.md", tmp_path / "leaderboard/full.md"
    index = tmp_path / "leaderboard/index.html"
    assert stale_leaderboards(tmp_path) == [other, page, index]
    assert write_leaderboards(tmp_path) == [other, page, index]
    assert stale_leaderboards(tmp_path) == []
    record("b", mean=0.3).write(tmp_path / "c.json")
    assert stale_leaderboards(tmp_path) == [page, index]
    assert str(tmp_path) not in page.read_text()


def test_a_page_without_records_is_removed_and_files_of_others_are_kept(record: Make, tmp_path: Path) -> None:
    record().write(tmp_path / "a.json")
    write_leaderboards(tmp_path)
    (tmp_path / "leaderboard/README.md").write_text("# Ours\n")
    (tmp_path / "a.json").unlink()
    assert stale_leaderboards(tmp_path) == [tmp_path / "leaderboard/pocket.md", tmp_path / "leaderboard/index.html"]
    assert write_leaderboards(tmp_path) == []
    assert [p.name for p in (tmp_path / "leaderboard").iterdir()] == ["README.md"]


def test_a_suites_name_cannot_leave_the_folder(record: Make, tmp_path: Path) -> None:
    record(suite="../../x").write(tmp_path / "a.json")
    record(suite="").write(tmp_path / "b.json")
    assert {path.parent for path in write_leaderboards(tmp_path)} == {tmp_path / "leaderboard"}
