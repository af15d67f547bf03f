"""Plots of leaderboards for papers and talks, drawn with matplotlib where it is installed (the extra `plot`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from freeshot.basics.files import atomic_path
from freeshot.leaderboard.across_tracks import standings
from freeshot.leaderboard.board import Board
from freeshot.leaderboard.compare import compare
from freeshot.leaderboard.versus import DEFAULT_PAIR, versus
from freeshot.render.plots.style import drawn, required

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Form = Literal["png", "svg"]


def write_plots(boards: Iterable[Board], folder: Path, form: Form = "svg") -> list[Path]:
    """Draw every plot that the boards have numbers for into a folder; OptionError where matplotlib is missing.

    The same records give the same SVG, byte by byte, with the same version of matplotlib.
    """
    required()
    paths = []
    for board in boards:
        prefix = _slug(f"{board.suite or 'no-suite'}-v{board.version}")
        with drawn() as save:
            for name, figure in _figures(board):
                path = folder / f"{prefix}-{_slug(name)}.{form}"
                with atomic_path(path) as temporary:
                    temporary.write_bytes(save(figure, form))
                paths.append(path)
    return paths


def _figures(board: Board) -> Iterator[tuple[str, Figure]]:
    from freeshot.render.plots.cost import cost_plot
    from freeshot.render.plots.critical_difference import critical_plot
    from freeshot.render.plots.forest import forest_plot
    from freeshot.render.plots.paired import paired_plot

    for section, tracks in board.sections.items():
        yield f"forest-{section}", forest_plot(board, section, tracks)
    if figure := cost_plot(board):
        yield "cost", figure
    if found := standings(board):
        yield "critical-difference", critical_plot(board, found)
    asked = versus(board, *DEFAULT_PAIR)
    if len(asked) == 1:  # of several rows of a method none is the one that was asked for
        yield "paired", paired_plot(board, compare(board, asked[0].first, asked[0].second))


def _slug(name: str) -> str:
    """Turn a suite's or section's name into a file name that stays in its folder."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "plot"
