"""Tables of means show chosen rows of a suite, compared with the first of them."""

from __future__ import annotations

import pytest
from tests.leaderboard.conftest import make_record

from freeshot.leaderboard.board import boards
from makers.suite_tables import with_suite_tables

TRACKS = ("in-domain/cub/5w1s", "in-domain/cub/5w5s")
PAGE = """Before.

<!-- means pocket: begin -->
| `plain` | nothing added |
| `mixed ratio=0.5` | half of it |
<!-- means pocket: end -->
"""


def filled(page: str) -> list[str]:
    records = [
        record
        for track, lift in zip(TRACKS, (0.0, 0.1), strict=True)
        for record in (
            make_record("plain", track, 0.5 + lift),
            make_record("mixed", track, 0.625, options={"ratio": 0.5}),
            make_record("mixed", track, 0.5, options={"ratio": 0.25}),
        )
    ]
    (board,) = boards(records)
    names: list[str] = []

    def board_of(suite: str) -> object:
        names.append(suite)
        return board

    text = with_suite_tables(page, board_of)  # type: ignore[arg-type]
    assert text.startswith("Before.\n")
    assert with_suite_tables(text, board_of) == text, "filling a filled page changes nothing"  # type: ignore[arg-type]
    assert set(names) == {"pocket"}
    return [line for line in text.splitlines() if line.startswith("|")]


def test_rows_have_means_by_section_and_shot_and_a_comparison_with_the_first() -> None:
    header, _, first, second = filled(PAGE)
    assert header.startswith("| row |  | in-domain 1-shot | in-domain 5-shot | to the first | better |")
    assert first == "| `plain` | nothing added | 50.0 | 60.0 | – | – | – | – | – |"
    assert second == "| `mixed ratio=0.5` | half of it | 62.5 | 62.5 | +7.5 | 2 | 0 | 0 | 0 |"


def test_a_row_that_is_not_on_the_board_is_an_error() -> None:
    with pytest.raises(KeyError, match="match 'absent'"):
        filled(PAGE.replace("`plain`", "`absent`"))
