"""What Python decides for the page: classes and ranks, conclusions, cards, citations, the question of a track."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.stats import rankdata
from tests.leaderboard.conftest import SUITES, make_record

from freeshot.contracts.cards import Card
from freeshot.leaderboard import Extensions, boards
from freeshot.leaderboard.across_tracks import ranks_on_tracks
from freeshot.leaderboard.entry import CLASSES
from freeshot.leaderboard.pairwise import conclusion
from freeshot.records.models import Tags
from freeshot.render.html.bibtex import bibtex
from freeshot.render.html.cards import link, share_cards
from freeshot.render.html.data import board_data
from freeshot.render.write import results_page, results_stamp

if TYPE_CHECKING:
    from pathlib import Path

    from freeshot.records.models import RunRecord
    from freeshot.stats.paired_tests import Verdict

ICONS = "in-domain/icons/5w1s"


def data(*records: RunRecord, **extensions: Any) -> dict[str, Any]:
    (board,) = boards(records, Extensions(suites=SUITES, **extensions))
    return board_data(board)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({}, CLASSES[0]),
        ({"data_free": "public prior"}, CLASSES[0]),
        ({"tuning_free": False}, CLASSES[1]),
        ({"data_free": "real data"}, CLASSES[2]),
        ({"data_free": "real data", "tuning_free": False}, CLASSES[2]),
        ({"role": "floor", "data_free": "real data"}, CLASSES[3]),
    ],
)
def test_the_class_of_a_row_follows_from_its_tags(tags: dict[str, Any], expected: str) -> None:
    record = make_record()
    (board,) = boards([record.model_copy(update={"tags": Tags(**(record.tags.model_dump() | tags))})])
    assert board.all_rows[0].row_class == expected


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["better", "equal", "undecided"], "better"),
        (["worse", "undecided"], "worse"),
        (["better", "worse", "equal"], "mixed"),
        (["equal", "equal"], "equal"),
        (["equal", "undecided"], "undecided"),
        ([], "undecided"),
    ],
)
def test_verdicts_on_tracks_have_a_conclusion(verdicts: list[Verdict], expected: str) -> None:
    assert conclusion(verdicts) == expected


@pytest.mark.parametrize(
    ("better", "worse", "end"),
    [
        (0.1, 0.0, " on 1 of 2 tracks and worse on none."),
        (0.1, -0.1, " on 1 of 2 tracks and worse on 1."),
        (0.0, 0.0, " are equal on all of 2 tracks."),
    ],
)
def test_the_answer_compares_the_first_two(better: float, worse: float, end: str) -> None:
    tracks = {"in-domain/sketch/5w1s": better, ICONS: worse}
    records = [
        make_record(name, track, 0.5 + own) for track, gain in tracks.items() for name, own in (("a", gain), ("b", 0))
    ]
    answer = data(*records)["answer"]
    assert answer[-5:] == [". ", 0, " and " if "equal" in end else " is better than ", 1, end]


def test_ranks_on_tracks_are_those_of_the_means() -> None:
    means = {"a": (0.6, 0.4), "b": (0.5, 0.5), "c": (0.5, 0.3)}
    tracks = ("in-domain/sketch/5w1s", ICONS)
    (board,) = boards([make_record(n, t, m) for n, of in means.items() for t, m in zip(tracks, of, strict=True)])
    rows = sorted(board.rows, key=lambda row: row.label)
    assert ranks_on_tracks(rows, tracks).tolist() == rankdata(-np.array([*means.values()]), axis=0).tolist()


def test_a_bar_that_joins_all_rows_is_left_out() -> None:
    records = [make_record(name, track) for name in "abc" for track in ("in-domain/sketch/5w1s", ICONS)]
    standings = data(*records)["standings"]
    assert standings["cliques"] == []
    assert "A bar joins" not in standings["note"]
    assert (standings["ahead"], standings["behind"]) == ([[], [], []], [[], [], []])


def test_a_track_is_described_by_its_records_alone() -> None:
    (track,) = data(make_record())["tracks"]
    assert track["question"] == (
        "Given 1 labelled picture of each of 5 new classes of 'sketch', which class does each of 75 further pictures "
        "show? The LoRAs were tuned on other classes of the same data set."
    )
    assert ["LoRAs", "pool 'mix', tuned on sketch"] in [list(fact) for fact in track["facts"]]


def test_components_without_a_plugin_have_a_card_that_states_it() -> None:
    cards = data(make_record(learner="reptile"))["cards"]
    assert {*cards} == {"method alpha", "dataset sketch", "backbone vit-toy", "meta-learner reptile"}
    assert all("not installed" in card["summary"] for card in cards.values())


def test_a_papers_address_is_read_from_the_citation_unless_the_plugin_names_one() -> None:
    card = Card("Sum.", "Roe, Sums, 2024 (2401.00001)")
    cases = {
        "cited": card,
        "named": replace(card, paper_url="https://x.org/p"),
        "bad": replace(card, code_url="data:x"),
    }
    described = {
        kind: data(make_record(), describe=lambda *_, own=own: own)["cards"]["method alpha"]
        for kind, own in cases.items()
    }
    assert described["cited"]["paper"] == "https://arxiv.org/abs/2401.00001"
    assert described["named"]["paper"] == "https://x.org/p"
    assert described["bad"]["code"] == ""


def test_boards_share_the_cards_that_are_equal() -> None:
    first, second = {"a": {"summary": "A"}, "b": {"summary": "B"}}, {"a": {"summary": "A"}, "b": {"summary": "other"}}
    third = {"b": {"summary": "other"}, "c": {"summary": "C"}}
    share_cards([first, second, third])
    assert first == {"a": {"summary": "A"}, "b": {"summary": "B"}}
    assert second == {"b": {"summary": "other"}}, "a card that differs from the first board's stays"
    assert third == {"b": {"summary": "other"}, "c": {"summary": "C"}}


@pytest.mark.parametrize("address", ["javascript:x", "JAVASCRIPT:x", "data:text/html,x", "//x.org", "https://x y", ""])
def test_only_web_addresses_become_links(address: str) -> None:
    assert link(address) == ""
    assert link("https://arxiv.org/abs/1706.05721") == "https://arxiv.org/abs/1706.05721"


@pytest.mark.parametrize(
    ("citation", "fields"),
    [
        ("Hu et al., LoRA Recycle, CVPR 2025", ["Hu and others", "LoRA Recycle", "CVPR", "2025"]),
        ("Wightman, PyTorch {Image} Models_1", ["", "Wightman, PyTorch Image Models\\_1", "", ""]),
        ("Huh et al., A, in B, 2024 (2402.16828)", ["Huh and others", "A, in B", "", "2024"]),
    ],
)
def test_a_citation_becomes_bibtex(citation: str, fields: list[str]) -> None:
    names = ("author", "title", "howpublished", "year")
    lines = [f"  {name} = {{{text}}}" for name, text in zip(names, fields, strict=True) if text]
    assert bibtex("A b", citation) == "@misc{a-b,\n" + ",\n".join(lines) + "\n}"
    assert bibtex("A b", "") == ""


def test_each_source_of_a_citation_has_its_entry_and_the_first_has_the_address() -> None:
    entries = bibtex("free", "A et al., B, C 2024; D et al., E, F 2018", "https://x.org/a_b").split("\n\n")
    assert [entry.partition(",")[0] for entry in entries] == ["@misc{free", "@misc{free-2"]
    assert "url = {https://x.org/a_b}" in entries[0]
    assert "url" not in entries[1]


def test_commands_name_the_folder_of_the_records(tmp_path: Path) -> None:
    record = make_record()
    record.write(tmp_path / "mine" / record.spec.relative_path)
    assert f"freeshot reproduce mine/{record.spec.relative_path}" in results_page(tmp_path / "mine")


def test_a_stamp_changes_with_a_record_or_a_picture_only(tmp_path: Path) -> None:
    make_record().write(tmp_path / "a.json")
    stamps = [results_stamp(tmp_path)]
    (tmp_path / "leaderboard").mkdir()
    (tmp_path / "leaderboard/index.html").write_text("x")
    assert results_stamp(tmp_path) == stamps[0]
    for path in ("b.json", "sheets/lora.png"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("{")
        stamps.append(results_stamp(tmp_path))
    assert len(set(stamps)) == 3
