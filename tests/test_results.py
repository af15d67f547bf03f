"""The tables under results/ follow from the records there, and the README shows the same numbers."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from functools import partial
from pathlib import Path

import pytest

from freeshot.leaderboard import Board, Extensions, boards
from freeshot.leaderboard.compare import compare
from freeshot.leaderboard.selection import find_rows
from freeshot.plugin.cards import card_of
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import load_plugins
from freeshot.records.load import load_records
from freeshot.render import stale_leaderboards
from freeshot.stats.intervals import Interval, student_t
from makers.paper_tables import selected
from makers.readme_table import BEGIN, END, with_numbers

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
README = ROOT / "README.md"


def test_every_committed_record_is_valid() -> None:
    loaded = load_records(RESULTS)
    assert loaded.problems == ()
    assert loaded.records


def test_the_committed_tables_follow_from_the_records() -> None:
    catalogue = Catalogue(load_plugins())
    extensions = Extensions((), catalogue.published(), catalogue.suites(), partial(card_of, catalogue))
    assert stale_leaderboards(RESULTS, extensions) == []


def test_one_suite_is_shown_first_and_suites_refer_to_their_own_rows() -> None:
    suites = Catalogue(load_plugins()).suites().values()
    assert [suite.name for suite in suites if suite.main] == ["pocket"]
    for suite in suites:
        methods = {row.method for profile in suite.profiles.values() for row in profile.rows}
        assert {suite.reference, *(suite.pair or ())} - {""} <= methods


@pytest.fixture(scope="module")
def pocket() -> Board:
    (board,) = boards(load_records(RESULTS / "pocket").records)
    return board


def test_the_readmes_table_is_that_of_the_records(pocket: Board) -> None:
    readme = README.read_text(encoding="utf-8")
    table = with_numbers(readme, pocket)
    assert readme == table, "Run: make tables"
    assert len(re.findall(r"^\| `", table, re.MULTILINE)) >= 8


def test_a_table_cannot_hold_a_row_that_the_board_lacks(pocket: Board) -> None:
    with pytest.raises(KeyError, match="lora-cycle"):
        with_numbers(f"{BEGIN}\n| `lora-cycle`: misspelt | |\n{END}", pocket)


def test_the_readmes_first_output_is_that_of_the_records(pocket: Board) -> None:
    shown = re.findall(r"^\d +([a-z-]+) +strict +\S+ +(\S+)$", README.read_text(), re.MULTILINE)
    assert len(shown) == 2
    for name, mean in shown:
        (row,) = find_rows(pocket, name, "method")
        cells = [row.cells[f"in-domain/icons/{track}"].interval for track in ("5w1s", "5w5s")]
        assert mean == f"{100 * sum(cell.mean for cell in cells if cell) / 2:.1f}"


def test_the_readmes_findings_hold(pocket: Board) -> None:
    average = compare(pocket, "lora-average", "lora-recycle")
    assert (average.wins["better"], average.wins["worse"]) == (7, 1)
    assert f"{100 * average.mean_difference:+.1f}" == "+0.9"
    own = compare(pocket, "pool-lda", "lora-average")
    assert (own.wins["better"], own.wins["worse"]) == (9, 0)
    assert f"{100 * own.mean_difference:+.1f}" == "+2.8"
    for text in ("on 7 of 12 tracks and worse on 1 (+0.9 points)", "on 9 of 12 tracks, worse on none (+2.8 points)"):
        assert text in README.read_text(encoding="utf-8")


def test_the_readmes_numbers_of_cifar_fs_are_those_of_the_records() -> None:
    catalogue = Catalogue(load_plugins())
    extensions = Extensions(published=catalogue.published(), suites=catalogue.suites())
    (board,) = boards(load_records(RESULTS / "paper").records, extensions)
    track = "in-domain/cifar-fs/5w1s"
    rows = (
        "lora-average space=delta",
        "lora-recycle strategy=none inversion.prior=none learner=prototype",
        "lora-recycle strategy.ratio=0.75 inversion.prior=none",
        "frozen-prototype",
    )
    average, recycled, masked, frozen = (100 * selected(board, row, track).averages[track].mean() for row in rows)
    (papers,) = (
        100 * number.mean for number in board.published if (number.track, number.method) == (track, "LoRA Recycle")
    )
    assert (
        f"`lora-average` {average:.1f} %, `lora-recycle` on a small budget {recycled:.1f} %, "
        f"with a mask {masked:.1f} % (the paper's: {papers:.1f} %), `frozen-prototype` {frozen:.1f} %."
        in README.read_text(encoding="utf-8")
    )


def test_all_rows_of_a_track_used_the_frozen_episodes() -> None:
    lock = json.loads((ROOT / "plugins/freeshot_vision/pocket/data/episodes.lock").read_text())
    tested = [
        record
        for record in load_records(RESULTS).records
        if record.spec.track.split == "novel" and record.spec.suite != "paper"
    ]
    assert len(tested) > 700
    for record in tested:
        own = re.sub(r"^pools/[^/]+/", "in-domain/", record.spec.track.name)  # variants of the pool, the same episodes
        assert record.spec.track.episodes_sha256 == lock[own]


def test_records_of_the_papers_suite_used_the_frozen_lists_and_the_same_images() -> None:
    lock = json.loads((ROOT / "plugins/freeshot_vision/paper/episodes.lock").read_text())
    shown: dict[str, set[str]] = defaultdict(set)
    for record in load_records(RESULTS / "paper").records:
        track = record.spec.track
        assert track.indices_sha256 == lock[track.name]["indices_sha256"]
        shown[track.name].add(record.hashes["episodes"])
    assert shown
    assert {track: len(hashes) for track, hashes in shown.items()} == dict.fromkeys(shown, 1)


def test_no_committed_record_is_limited() -> None:
    assert all(record.comparable for record in load_records(RESULTS).records)


def test_cells_were_evaluated_again_only_for_measures_that_older_records_lacked() -> None:
    """Two rows were evaluated more often: counted late, timed beside other work, and interrupted once."""
    for record in load_records(RESULTS).records:
        most = {"caml": 4, "linear-probe": 5}.get(record.spec.method.name, 3)
        assert record.test_evaluations == 1 or (record.test_evaluations <= most and record.quality is not None)


@pytest.mark.parametrize("control", ["noise", "real-data"])
def test_the_controls_are_on_the_board(control: str) -> None:
    roles = {record.spec.method.name: record.tags.role for record in load_records(RESULTS).records}
    assert roles[control] in ("floor", "ceiling")


def test_lora_recycle_lies_between_its_controls(pocket: Board) -> None:
    """Noise below, real images above (papers' acceptance check): otherwise the suite would measure nothing."""
    above_noise, below_real = paired(pocket, "lora-recycle", "noise"), paired(pocket, "real-data", "lora-recycle")
    assert above_noise.keys() == below_real.keys() == {track.name for track in pocket.tracks}
    assert [track for track, gap in above_noise.items() if gap.low <= 0] == []
    assert [track for track, gap in below_real.items() if gap.high < 0] == []
    level = [track for track, gap in below_real.items() if not gap.excludes_zero]
    assert len(level) <= 1, level  # docs/findings.md names it


def paired(board: Board, first: str, second: str) -> dict[str, Interval]:
    """Return the interval of first − second on each track, as `freeshot compare` shows it."""
    (ours,), (theirs,) = (find_rows(board, name, "method") for name in (first, second))
    return {track: student_t(actual - theirs.averages[track]) for track, actual in ours.averages.items()}
