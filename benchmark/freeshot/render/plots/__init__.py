"""Plots of leaderboards for papers and talks; they need matplotlib (the extra `plot`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from freeshot.basics.files import atomic_path
from freeshot.leaderboard.across_tracks import standings
from freeshot.leaderboard.board import Board
from freeshot.leaderboard.compare import compare, default_differences
from freeshot.render.plots.cost import cost_plot
from freeshot.render.plots.critical_difference import critical_plot
from freeshot.render.plots.episodes import episode_plot
from freeshot.render.plots.intervals import forest_plot, paired_plot
from freeshot.render.plots.style import drawn, required

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Form = Literal["png", "svg"]


def write_plots(boards: Iterable[Board], folder: Path, form: Form = "svg") -> list[Path]:
    """Write all plots for which the boards have data into a folder; OptionError if matplotlib is not installed.

    With the same version of matplotlib, the same records give byte-identical SVG.
    """
    required()
    paths = []
    for board in map(Board.with_short_labels, boards):
        prefix = _slug(f"{board.suite or 'no-suite'}-v{board.version}")
        with drawn() as save:
            for name, figure in _figures(board):
                path = folder / f"{prefix}-{_slug(name)}.{form}"
                with atomic_path(path) as temporary:
                    temporary.write_bytes(save(figure, form))
                paths.append(path)
    return paths


def _figures(board: Board) -> Iterator[tuple[str, Figure]]:
    for section, tracks in board.sections.items():
        yield f"forest-{section}", forest_plot(board, section, tracks)
    if figure := cost_plot(board):
        yield "cost", figure
    if ranked := standings(board):
        yield "critical-difference", critical_plot(board, ranked)
    pairs = default_differences(board)
    if len(pairs) == 1:  # with several rows per method the default pair is ambiguous
        yield "paired", paired_plot(board, compare(board, pairs[0].first, pairs[0].second))
    rows = {row.label: row for row in board.all_rows}
    for pair in pairs:
        name = "episodes" if len(pairs) == 1 else f"episodes-{pair.first}"
        yield name, episode_plot(board, rows[pair.first], rows[pair.second])


def _slug(name: str) -> str:
    """Convert the name of a suite or section to a safe file name."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "plot"
