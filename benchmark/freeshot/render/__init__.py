"""Render leaderboards to terminal, Markdown, LaTeX, CSV, JSON, HTML and plots.

    records ──► boards ──► tables of text ──► terminal, Markdown, files

The output is deterministic: the same records give the same text on every machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from freeshot.leaderboard.board import Kind, boards
from freeshot.leaderboard.selection import EVERYTHING, Selection
from freeshot.render.csv_json import as_csv, as_json
from freeshot.render.html.page import html
from freeshot.render.latex import latex
from freeshot.render.markdown import markdown
from freeshot.render.terminal import print_boards
from freeshot.render.write import stale_leaderboards, write_leaderboards

if TYPE_CHECKING:
    from rich.console import Console

    from freeshot.contracts.leaderboard import Column, Published
    from freeshot.records.models import RunRecord

__all__ = ["render", "render_terminal", "stale_leaderboards", "write_leaderboards"]


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
