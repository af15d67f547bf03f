"""Numbers reported by papers are kept apart from measured ones in every format."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from freeshot.contracts.leaderboard import Published
from freeshot.leaderboard import Extensions, boards
from freeshot.render import render, render_terminal
from freeshot.render.tables import REPORTED as HEADING

if TYPE_CHECKING:
    from collections.abc import Callable

    from freeshot.records.models import RunRecord

CUB = "in-domain/cub/5w1s"
REPORTED = Extensions(published=(
    Published("Theirs", CUB, 0.9112, None, "A paper, Table 2"),
    Published("Ours", CUB, 0.875, 0.0125, "A paper, Table 2"),
    Published("Theirs", "in-domain/elsewhere/5w1s", 0.5, None, "A paper, Table 2"),
))  # fmt: skip


@pytest.fixture
def records(record: Callable[..., RunRecord]) -> list[RunRecord]:
    return [record("alpha", CUB), record("beta", CUB, 0.4), record("alpha", "cross-domain/flags/5w1s")]


def test_reported_numbers_change_nothing_that_was_measured(records: list[RunRecord]) -> None:
    (plain,), (board,) = boards(records), boards(records, REPORTED)
    assert (board.rows, board.controls, board.tracks) == (plain.rows, plain.controls, plain.tracks)
    assert [reported.track for reported in board.published] == [CUB, CUB]


def test_markdown_has_a_separate_table(records: list[RunRecord]) -> None:
    page = render("markdown", records, REPORTED)
    measured, _, reported = page.partition(f"### {HEADING}")
    assert "Theirs" not in measured
    assert "| Theirs | 91.12 | A paper, Table 2 |" in reported
    assert "| Ours | 87.50 ± 1.25 | A paper, Table 2 |" in reported
    assert "elsewhere" not in page


def test_the_terminal_and_latex_have_a_separate_table_too(records: list[RunRecord]) -> None:
    console = Console(width=120, file=io.StringIO(), color_system=None)
    render_terminal(records, console, REPORTED)
    assert isinstance(console.file, io.StringIO)
    assert f"{HEADING}: in-domain" in console.file.getvalue()
    page = render("latex", records, REPORTED)
    assert r"Ours & 87.5 $\pm$ 1.2 & A paper, Table 2 \\" in page
    assert page.count(r"\begin{table}") == 3


def test_csv_and_json_give_them_the_status_reported(records: list[RunRecord]) -> None:
    actual = json.loads(render("json", records, REPORTED))["cells"]
    assert [line["status"] for line in actual] == ["ok", "ok", "ok", "reported", "reported"]
    assert (actual[3]["row"], actual[3]["mean"], actual[3]["low"], actual[3]["rank"]) == ("Theirs", 0.9112, None, None)
    assert (actual[4]["low"], actual[4]["high"], actual[4]["notes"]) == (0.8625, 0.8875, "A paper, Table 2")
    flat = list(csv.DictReader(io.StringIO(render("csv", records, REPORTED))))
    assert [line["status"] for line in flat] == [line["status"] for line in actual]


def test_a_board_without_such_tracks_shows_nothing(record: Callable[..., RunRecord]) -> None:
    for form in ("markdown", "latex", "csv", "json"):
        assert render(form, [record()], REPORTED) == render(form, [record()])


@pytest.mark.parametrize(("mean", "half", "source"), [(91.12, None, "x"), (0.5, 2.0, "x"), (0.5, None, " ")])
def test_percents_and_missing_sources_are_errors(mean: float, half: float | None, source: str) -> None:
    with pytest.raises(ValueError, match=r"Theirs on in-domain/cub/5w1s"):
        Published("Theirs", CUB, mean, half, source)
