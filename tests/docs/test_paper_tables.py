"""Tables that compare records with a paper show selected rows, paired differences and the paper's own numbers."""

from __future__ import annotations

import pytest
from tests.leaderboard.conftest import make_record

from freeshot.contracts.leaderboard import Published
from freeshot.leaderboard.board import Board, Extensions, boards
from makers.paper_tables import with_paper_tables

ONE, FIVE = "in-domain/cub/5w1s", "in-domain/cub/5w5s"
REPORTED = Extensions(published=(
    Published("NN", ONE, 0.8, None, "A paper"), Published("Theirs", ONE, 0.9, None, "A paper"),
))  # fmt: skip
PAGE = """Before.

<!-- {kind} in-domain/cub: begin -->
{rows}
<!-- {kind} in-domain/cub: end -->

After.
"""


@pytest.fixture
def board() -> Board:
    records = [
        record
        for track, lift in ((ONE, 0.0), (FIVE, 0.1))
        for record in (
            make_record("plain", track, 0.5 + lift),
            make_record("mixed", track, 0.625 + lift, options={"ratio": 0.5}),
            make_record("mixed", track, 0.5 + lift, options={"ratio": 0.25}),
        )
    ]
    (made,) = boards(records, REPORTED)
    return made


def filled(board: Board, kind: str, *rows: str) -> list[str]:
    page = with_paper_tables(PAGE.format(kind=kind, rows="\n".join(rows)), board)
    assert page.startswith("Before.\n")
    assert page.endswith("\nAfter.\n")
    assert with_paper_tables(page, board) == page, "filling a filled page changes nothing"
    return [line for line in page.splitlines() if line.startswith("|")]


def test_a_row_is_selected_by_method_and_settings_and_is_shown_beside_the_papers(board: Board) -> None:
    header, _, row = filled(board, "accuracies", "| `mixed ratio=0.5` | Theirs |")
    assert header == "| row | in the paper | 5w1s, % | 5w1s, the paper's | 5w5s, % | 5w5s, the paper's |"
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[2].startswith("62.50 ± ")
    assert cells[3] == "90.00"
    assert cells[4].startswith("72.50 ± ")
    assert cells[5] == "–", "the paper has no number there"


def test_a_difference_is_paired_and_has_the_papers_difference_beside_it(board: Board) -> None:
    row = filled(board, "differences", "| `mixed ratio=0.5` | `plain` | Theirs − NN |")[2]
    assert (
        row
        == "| `mixed ratio=0.5` | `plain` | Theirs − NN | +12.50 ± 0.00 better | +10.00 | +12.50 ± 0.00 better | – |"
    )


def test_a_paper_without_such_rows_leaves_a_dash(board: Board) -> None:
    row = filled(board, "differences", "| `plain` | `mixed ratio=0.25` | – |")[2]
    assert row == "| `plain` | `mixed ratio=0.25` | – | +0.00 ± 0.00 equal | – | +0.00 ± 0.00 equal | – |"


@pytest.mark.parametrize("selector", ["mixed", "mixed ratio=0.75", "absent"])
def test_a_selector_must_match_one_row(board: Board, selector: str) -> None:
    with pytest.raises(KeyError, match=rf"rows of pocket with a result on {ONE} match '{selector}'"):
        filled(board, "accuracies", f"| `{selector}` | – |")
