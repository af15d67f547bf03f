"""The forest plot of a section: every row on every track, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from freeshot.leaderboard.board import Board, TrackColumn
from freeshot.render.format import heading, one_line, title
from freeshot.render.plots.style import CONTROL, LINE, METHOD, top_down

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def forest_plot(board: Board, section: str, tracks: Sequence[TrackColumn]) -> Figure:
    """Draw the tracks of a section side by side, each with its own scale."""
    from matplotlib.figure import Figure

    rows = board.all_rows
    figure = Figure(figsize=(2.5 + 1.6 * len(tracks), 1.3 + 0.26 * len(rows)), layout="constrained")
    panels = figure.subplots(1, len(tracks), sharey=True, squeeze=False)[0]
    for axes, track in zip(panels, tracks, strict=True):
        for index, row in enumerate(rows):
            cell = row.cells.get(track.name)
            if cell is None or cell.interval is None:
                continue
            control = row.is_control
            mean, reach = 100 * cell.interval.mean, 100 * cell.interval.half_width
            axes.errorbar(
                mean,
                index,
                xerr=reach,
                fmt="o",
                markersize=4,
                color=CONTROL if control else METHOD,
                markerfacecolor="white" if control else METHOD,
            )
        axes.set_title(heading(track), fontsize=8)
        axes.grid(axis="x", color=LINE, linewidth=0.6)
        axes.set_axisbelow(True)
    top_down([row.label for row in rows], panels[0])
    figure.suptitle(f"{title(board)}: {one_line(section)}", fontsize=10)
    figure.supxlabel("accuracy in percent, 95 % interval", fontsize=8)
    return figure
