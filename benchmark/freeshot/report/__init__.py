"""Leaderboards from records: load, group, rank, compare, and draw in a terminal or as Markdown.

    records ──► boards ──► tables of words ──► terminal, Markdown, files

Nothing here runs a method or imports torch; the same records give the same text on every machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from freeshot.report.board import Board, Kind, boards
from freeshot.report.files import stale_leaderboards, write_leaderboards
from freeshot.report.flat import as_csv, as_json
from freeshot.report.html import html
from freeshot.report.latex import latex
from freeshot.report.markdown import markdown
from freeshot.report.records import Loaded, load_records
from freeshot.report.selection import EVERYTHING, Selection, main_suite
from freeshot.report.short_ranking import ShortRanking, short_ranking
from freeshot.report.standings import Standings, standings
from freeshot.report.terminal import print_boards
from freeshot.report.versus import Versus, versus

if TYPE_CHECKING:
    from rich.console import Console

    from freeshot.contracts.columns import Column
    from freeshot.contracts.published import Published
    from freeshot.contracts.records import RunRecord

__all__ = [
    "Board",
    "Loaded",
    "Selection",
    "ShortRanking",
    "Standings",
    "Versus",
    "boards",
    "load_records",
    "main_suite",
    "render",
    "render_terminal",
    "short_ranking",
    "stale_leaderboards",
    "standings",
    "versus",
    "write_leaderboards",
]


def render(
    form: Literal["markdown", "latex", "csv", "json", "html"],
    records: Iterable[RunRecord],
    columns: Sequence[Column] = (),
    interval: Kind = "t",
    published: Iterable[Published] = (),
    selection: Selection = EVERYTHING,
) -> str:
    """Return the leaderboards of records in one of the text formats."""
    selected = selection.boards(boards(selection.records(records), columns, interval, published))
    if form == "markdown":
        return markdown(selected, columns)
    if form == "latex":
        return latex(selected, columns)
    if form == "html":
        return html(selected, columns=columns)
    return as_csv(selected) if form == "csv" else as_json(selected)


def render_terminal(
    records: Iterable[RunRecord],
    console: Console,
    columns: Sequence[Column] = (),
    interval: Kind = "t",
    published: Iterable[Published] = (),
    selection: Selection = EVERYTHING,
) -> None:
    """Print the leaderboards of records."""
    selected = selection.boards(boards(selection.records(records), columns, interval, published))
    print_boards(selected, console, columns)
