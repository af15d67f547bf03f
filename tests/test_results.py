"""What is committed under results/ is what its records say, and the README shows the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from freeshot.basics.statistics import Interval, student_t
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import load_plugins
from freeshot.report import Board, boards, load_records, stale_leaderboards
from freeshot.report.excerpt import with_tables
from freeshot.report.naming import by_method

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
PAGE = RESULTS / "leaderboard" / "pocket.md"


def test_every_committed_record_is_valid() -> None:
    loaded = load_records(RESULTS)
    assert loaded.problems == ()
    assert loaded.records


def test_the_committed_tables_are_what_the_records_say() -> None:
    assert stale_leaderboards(RESULTS, published=Catalogue(load_plugins()).published()) == []


def test_the_readme_shows_the_committed_table() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme == with_tables(readme, PAGE.read_text(encoding="utf-8"))


def test_all_rows_of_a_track_met_the_frozen_episodes() -> None:
    lock = json.loads((ROOT / "plugins/freeshot_vision/pocket/data/episodes.lock").read_text())
    tested = [record for record in load_records(RESULTS).records if record.spec.track.split == "novel"]
    assert len(tested) > 700
    for record in tested:
        assert record.spec.track.episodes_sha256 == lock[record.spec.track.name]


def test_no_committed_record_is_limited() -> None:
    assert all(record.comparable for record in load_records(RESULTS).records)


def test_another_look_was_taken_only_for_measures_that_older_records_lacked() -> None:
    """Two rows took more: counted late, timed beside other work, and one of them broken off once."""
    for record in load_records(RESULTS).records:
        most = {"caml": 4, "linear-probe": 5}.get(record.spec.method.name, 3)
        assert record.looks == 1 or (record.looks <= most and record.quality is not None)


@pytest.mark.parametrize("control", ["noise", "real-data"])
def test_the_controls_are_on_the_board(control: str) -> None:
    roles = {record.spec.method.name: record.tags.role for record in load_records(RESULTS).records}
    assert roles[control] in ("floor", "ceiling")


def test_lora_recycle_lies_between_its_controls() -> None:
    """Noise below, real images above (papers' acceptance check): otherwise the suite would measure nothing."""
    (board,) = boards(load_records(RESULTS / "pocket").records)
    above_noise, below_real = paired(board, "lora-recycle", "noise"), paired(board, "real-data", "lora-recycle")
    assert above_noise.keys() == below_real.keys() == {track.name for track in board.tracks}
    assert [track for track, gap in above_noise.items() if gap.low <= 0] == []
    assert [track for track, gap in below_real.items() if gap.high < 0] == []
    level = [track for track, gap in below_real.items() if not gap.excludes_zero]
    assert len(level) <= 1, level  # the README names it


def paired(board: Board, first: str, second: str) -> dict[str, Interval]:
    """Return the interval of first − second on each track, as `freeshot compare` shows it."""
    (ours,), (theirs,) = (by_method(board, name) for name in (first, second))
    return {track: student_t(found - theirs.line.averages[track]) for track, found in ours.line.averages.items()}
