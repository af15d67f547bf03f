"""The same board as CSV, JSON and LaTeX; no text of a record can break out of any of them."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest

from freeshot.leaderboard import boards
from freeshot.render import render
from freeshot.render.csv_json import FIELDS
from freeshot.render.latex import escape

if TYPE_CHECKING:
    from collections.abc import Callable

    from freeshot.records.models import RunRecord

HOSTILE = ['=HYPERLINK("x")', "a,b\nc", r"\input{x} & $ % _ # ~ ^ { }", "<script>", '"quoted"']


def test_json_and_csv_hold_the_same_lines(record: Callable[..., RunRecord]) -> None:
    records = [record("alpha"), record("beta", mean=0.4), record("gamma", status="failed", reason="It broke.")]
    actual = json.loads(render("json", records))["cells"]
    flat = list(csv.DictReader(io.StringIO(render("csv", records))))
    assert [tuple(line) for line in (actual[0], flat[0])] == [FIELDS, FIELDS]
    for line, other in zip(actual, flat, strict=True):
        assert {key: "" if value is None else str(value) for key, value in line.items()} == other


def test_a_line_holds_the_interval_and_the_rank_of_its_cell(record: Callable[..., RunRecord]) -> None:
    (board,) = boards([record("alpha"), record("beta", mean=0.4)])
    cell = board.rows[0].cells[board.tracks[0].name]
    (line, _) = json.loads(render("json", [record("alpha"), record("beta", mean=0.4)]))["cells"]
    assert cell.interval is not None
    assert (line["mean"], line["low"], line["high"]) == (cell.interval.mean, cell.interval.low, cell.interval.high)
    assert (line["row"], line["rank"], line["seeds"], line["episodes"]) == ("alpha", 1, 1, 20)


def test_json_has_pairs_and_standings_as_well(record: Callable[..., RunRecord]) -> None:
    actual = json.loads(render("json", [record("alpha"), record("beta", mean=0.4)]))
    (pair,) = actual["pairs"]
    assert (pair["suite"], pair["first"], pair["second"], pair["verdict"]) == ("pocket", "alpha", "beta", "better")
    assert pair["evidence"]["interval"]["mean"] == pytest.approx(0.1)
    (standing,) = actual["standings"]
    assert (standing["version"], standing["rows"], standing["wins"][0][1]["mean"]) == (1, ["alpha", "beta"], 1)


def test_the_line_of_a_row_with_seeds_has_both_intervals(record: Callable[..., RunRecord]) -> None:
    records = [record("alpha", mean=mean, seed=seed) for seed, mean in enumerate((0.4, 0.5, 0.6))]
    (board,) = boards(records)
    (line,) = json.loads(render("json", records))["cells"]
    wider = board.rows[0].cells[board.tracks[0].name].over_seeds
    assert wider is not None
    assert (line["low_over_seeds"], line["high_over_seeds"]) == (wider.low, wider.high)
    assert line["low_over_seeds"] < line["low"]


def test_a_failure_is_a_line_with_its_reason(record: Callable[..., RunRecord]) -> None:
    (line,) = json.loads(render("json", [record("gamma", status="failed", reason="It broke.")]))["cells"]
    assert (line["status"], line["mean"], line["notes"]) == ("failed", None, "It broke.")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_in_its_cell(record: Callable[..., RunRecord], text: str) -> None:
    records = [record("alpha", status="failed", reason=text)]
    (line,) = csv.DictReader(io.StringIO(render("csv", records)))
    assert not line["notes"].startswith(("=", "+", "-", "@"))
    assert json.loads(render("json", records))["cells"][0]["notes"] == " ".join(text.split())
    page = render("latex", records)
    assert page.count(r"\begin{tabular}") == 1
    assert r"\input" not in page
    assert escape(text) in page


def test_latex_is_a_booktabs_table_with_the_best_row_bold(record: Callable[..., RunRecord]) -> None:
    page = render("latex", [record("alpha"), record("beta", mean=0.4), record("floor", mean=0.2, role="floor")])
    rows = [line for line in page.splitlines() if line.endswith(r"\\")]
    assert rows[1].startswith(r"alpha & \textbf{50.0 $\pm$ ")
    assert rows[2].startswith("beta & 40.0")
    assert page.index(r"\midrule", page.index("beta")) < page.index("floor &")
    assert [page.count(rule) for rule in (r"\toprule", r"\bottomrule")] == [2, 2]
    assert page.index("across tracks") > page.index("floor &")
    assert r"1: alpha & \textbf{1.00} & 50.00 & -- & 100 \% (1/0/0/0) \\" in page
