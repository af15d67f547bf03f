"""Render leaderboards to terminal, Markdown, LaTeX, CSV, JSON, HTML and plots.

    records ──► boards ──► tables of text ──► terminal, Markdown, files

The output is deterministic: the same records and plugins give the same text on every machine.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from rich.console import Console

from freeshot.leaderboard.board import NO_EXTENSIONS, Extensions, Kind, boards
from freeshot.leaderboard.selection import EVERYTHING, Selection
from freeshot.records.models import RunRecord
from freeshot.render.csv_json import as_csv, as_json
from freeshot.render.html.page import html
from freeshot.render.latex import latex
from freeshot.render.markdown import markdown
from freeshot.render.terminal import print_boards
from freeshot.render.write import stale_leaderboards, write_leaderboards

__all__ = ["render", "render_terminal", "stale_leaderboards", "write_leaderboards"]

FORMATS = {"markdown": markdown, "latex": latex, "csv": as_csv, "json": as_json, "html": html}


def render(
    form: Literal["markdown", "latex", "csv", "json", "html"],
    records: Iterable[RunRecord],
    extensions: Extensions = NO_EXTENSIONS,
    interval: Kind = "t",
    selection: Selection = EVERYTHING,
) -> str:
    """Return the leaderboards of records in one of the text formats."""
    return FORMATS[form](selection.boards(boards(selection.records(records), extensions, interval)))


def render_terminal(
    records: Iterable[RunRecord],
    console: Console,
    extensions: Extensions = NO_EXTENSIONS,
    interval: Kind = "t",
    selection: Selection = EVERYTHING,
) -> None:
    """Print the leaderboards of records."""
    print_boards(selection.boards(boards(selection.records(records), extensions, interval)), console)
