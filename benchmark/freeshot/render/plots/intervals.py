"""Plots of intervals: every row on every track of a section, and the paired differences of two rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from freeshot.leaderboard.board import Board, TrackColumn
from freeshot.leaderboard.compare import Comparison
from freeshot.render.format import heading, one_line, title
from freeshot.render.plots.style import CONTROL, LINE, METHOD, OTHER, shortened, top_down

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
            color, face = (CONTROL, "white") if row.is_control else (METHOD, METHOD)
            mean, reach = 100 * cell.interval.mean, 100 * cell.interval.half_width
            axes.errorbar(mean, index, xerr=reach, fmt="o", markersize=4, color=color, markerfacecolor=face)
        axes.set_title(heading(track), fontsize=8)
    top_down([row.label for row in rows], *panels)
    figure.suptitle(f"{title(board)}: {one_line(section)}", fontsize=10)
    figure.supxlabel("accuracy in percent, 95 % interval", fontsize=8)
    return figure


def paired_plot(board: Board, comparison: Comparison) -> Figure:
    """Draw first − second on each track, over seeds too if shared; left of zero the first row is worse."""
    from matplotlib.figure import Figure

    order = [track.name for tracks in board.sections.values() for track in tracks]
    lines = sorted(comparison.tracks, key=lambda t: order.index(t.track))
    figure = Figure(figsize=(6.4, 1.4 + 0.26 * len(lines)), layout="constrained")
    axes = figure.subplots()
    axes.axvspan(-100 * comparison.equivalent, 100 * comparison.equivalent, color=LINE, linewidth=0, alpha=0.6)
    axes.axvline(0, color=CONTROL, linewidth=0.8)
    for index, track in enumerate(lines):
        interval = track.over_seeds or track.evidence.interval
        color = {"better": METHOD, "worse": OTHER}.get(track.verdict, CONTROL)
        axes.errorbar(100 * interval.mean, index, xerr=100 * interval.half_width, fmt="o", markersize=4, color=color)
        axes.annotate(
            track.verdict, (1, index), (6, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
            va="center", fontsize=8, color=color,
        )  # fmt: skip
    top_down([track.track for track in lines], axes)
    axes.set_xlabel(
        f"{shortened(comparison.first.label)} − {shortened(comparison.second.label)}, points, 95 % interval"
    )
    axes.set_title(title(board), fontsize=10)
    return figure
