"""Every format holds the same numbers of the committed records."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from rich.console import Console
from tests.leaderboard.test_html import data_of

from freeshot.leaderboard import Board, boards
from freeshot.records.load import load_records
from freeshot.records.models import RunRecord
from freeshot.render.csv_json import as_csv, as_json
from freeshot.render.html.page import html
from freeshot.render.latex import latex
from freeshot.render.markdown import markdown
from freeshot.render.terminal import print_boards

Means = dict[tuple[str, str], float]


@cache
def pocket() -> Board:
    (board,) = boards(load_records(Path(__file__).parents[2] / "results/pocket").records)
    return board


@cache
def means() -> Means:
    """Read each row's mean on each track off its records, averaged over training seeds."""
    actual: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in (*pocket().rows, *pocket().controls):
        for record in row.records:
            if record.interval is not None:
                actual[row.label, record.spec.track.name].append(record.interval.mean)
    assert len(actual) >= 22 * 12
    return {key: sum(values) / len(values) for key, values in actual.items()}


def test_csv_and_json_hold_every_mean() -> None:
    lines = [*csv.DictReader(io.StringIO(as_csv([pocket()])))]
    whole = json.loads(as_json([pocket()]))
    for cells in (lines, whole["cells"]):
        actual = {(c["row"], c["track"]): float(c["mean"]) for c in cells if c["mean"]}
        assert actual == pytest.approx(means(), abs=1e-12)
    counts = [sum((row.label, track.name) in means() for row in pocket().rows) for track in pocket().tracks]
    assert len(whole["pairs"]) == sum(count * (count - 1) // 2 for count in counts)


def test_the_page_holds_every_mean() -> None:
    (board,) = data_of(html([pocket()]))
    actual = {
        (row["label"], track): cell["mean"]
        for row in board["rows"]
        for track, cell in row["cells"].items()
        if cell["mean"]
    }
    assert actual == pytest.approx(means(), abs=1e-6)


def terminal(board: Board) -> str:
    out = io.StringIO()
    print_boards([board], Console(file=out, width=400, color_system=None))
    return out.getvalue()


@pytest.mark.parametrize(
    ("text", "digits"),
    [(lambda: markdown([pocket()]), 2), (lambda: latex([pocket()]), 1), (lambda: terminal(pocket()), 1)],
    ids=["markdown", "latex", "terminal"],
)
def test_tables_show_every_mean_in_the_line_of_its_row(text: Callable[[], str], digits: int) -> None:
    lines = text().splitlines()
    for row in pocket().rows:
        of_row = " ".join(line for line in lines if re.match(rf"[\s|*]*{re.escape(row.label)}\b(?!-)", line))
        for track in (track.name for track in pocket().tracks if track.name in row.averages):
            assert f"{100 * means()[row.label, track]:.{digits}f}" in of_row, (row.label, track)


def test_with_32_rows_the_page_takes_at_most_four_megabytes() -> None:
    results = Path(__file__).parents[2] / "results"
    records = load_records(results).records
    methods = sorted({r.spec.method.name for r in records if r.spec.suite == "pocket"})
    more = methods[: max(0, 32 - len(methods))]
    copies = [
        renamed(r, f"more-{r.spec.method.name}")
        for r in records
        if r.spec.suite == "pocket" and r.spec.method.name in more
    ]
    actual = sorted(boards([*records, *copies]), key=lambda board: board.suite != "pocket")
    page = html(actual, sorted((results / "sheets").glob("*.png")))
    assert len(page.encode()) <= 4_000_000
    shown = data_of(page)
    assert len(shown[0]["rows"]) >= 32
    assert shown[0]["sheets"]


def renamed(record: RunRecord, name: str) -> RunRecord:
    """Give a record another method's name."""
    method = record.spec.method.model_copy(update={"name": name})
    return record.model_copy(update={"spec": record.spec.model_copy(update={"method": method})})
