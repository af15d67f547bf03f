"""Standings as they are shown: one table, and sentences about which rows can be distinguished."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.leaderboard.test_tables import terminal

from freeshot.leaderboard import boards, standings
from freeshot.render import render
from freeshot.render.across_tracks import across

if TYPE_CHECKING:
    from collections.abc import Callable

    from freeshot.records.models import RunRecord
    from freeshot.render.across_tracks import Across

    Make = Callable[..., RunRecord]

TRACKS = [f"in-domain/set-{letter}/5w1s" for letter in "abcdef"]


def records_of(record: Make, methods: dict[str, float]) -> list[RunRecord]:
    return [record(method, track, mean) for method, mean in methods.items() for track in TRACKS]


def shown(records: list[RunRecord]) -> Across:
    actual = standings(boards(records)[0])
    assert actual is not None
    return across(actual)


def test_a_row_has_its_rank_its_iqm_and_what_it_wins(record: Make) -> None:
    actual = shown(records_of(record, {"a": 0.6, "b": 0.5}))
    assert actual.table.titles == ("Row", "Average rank\nby means", "IQM", "over 1", "over 2")
    lines = [[words.text for words in line] for line in actual.table.lines]
    assert lines == [
        ["1: a", "1.00", "60.00", "–", "100 % (6/0/0/0)"],
        ["2: b", "2.00", "50.00", "0 % (0/0/6/0)", "–"],
    ]
    assert actual.table.lines[0][4].bold  # six tracks of one sign: p is 2/2⁶


def test_rows_that_cannot_be_distinguished_are_named(record: Make) -> None:
    records = [record(m, t, 0.5 + 0.01 * (i % 3 == j)) for j, m in enumerate("abc") for i, t in enumerate(TRACKS)]
    actual = shown(records)
    assert "a, b and c cannot be distinguished across these tracks." in actual.sentences
    assert actual.sentences[0] == "Over 6 tracks; that all 3 rows rank equally has p = 1.000 (Friedman)."


def test_rows_with_long_names_are_named_by_their_numbers(record: Make) -> None:
    actual = shown([record("m" * 70 + letter, track) for letter in "ab" for track in TRACKS])
    assert "Rows 1 to 2 cannot be distinguished across these tracks." in actual.sentences


def test_a_sentence_states_that_all_rows_can_be_distinguished(record: Make) -> None:
    assert (
        "All of these rows can be distinguished across these tracks."
        in shown(records_of(record, {"a": 0.6, "b": 0.5})).sentences
    )


@pytest.mark.parametrize(("rows", "matrix"), [(8, True), (9, False)])
def test_the_matrix_is_shown_up_to_eight_rows(record: Make, rows: int, matrix: bool) -> None:
    page = render("markdown", records_of(record, {f"m{i}": 0.3 + i / 50 for i in range(rows)}))
    assert ("over 8" in page) is matrix
    assert ("better/equal/worse/undecided" in page) is matrix


def test_the_page_and_the_terminal_show_them_with_cautions(record: Make) -> None:
    records = records_of(record, {"a": 0.6, "b": 0.5})
    page = render("markdown", records)
    assert page.index("### Overview") < page.index("### Across tracks")
    assert "| 1: a | **1.00** | 60.00 | – | **100 % (6/0/0/0)** |" in page
    assert "A row has one training seed" in page
    seen = " ".join(terminal(records).split())
    assert "pocket, tracks of version 1: across tracks" in seen
    assert "1: a 1.00 60.00 – 100 % (6/0/0/0)" in seen
    assert "A row has one training seed" in seen


def test_a_single_row_has_no_standings(record: Make) -> None:
    assert "Across tracks" not in render("markdown", [record("a")])


def test_rows_with_several_seeds_show_the_interval_over_both(record: Make) -> None:
    records = [record("a", mean=mean, seed=seed) for seed, mean in enumerate((0.4, 0.5, 0.6))] + [record("b")]
    page = render("markdown", records)
    section = page[page.index("### Over episodes and training seeds, in-domain") :].split("\n\n")[1]
    assert [line.split(" ")[1] for line in section.splitlines()[2:]] == ["a"]
    assert "seeds and episodes are crossed" in page
    assert "Over episodes and training seeds: in-domain" in terminal(records)
    assert "Over episodes and training seeds" not in render("markdown", [record("b")])
