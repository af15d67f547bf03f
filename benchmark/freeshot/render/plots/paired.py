"""Paired differences of two rows on each track, with the region of practical equivalence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeshot.leaderboard.board import Board
from freeshot.leaderboard.compare import Comparison
from freeshot.render.format import title
from freeshot.render.plots.style import CONTROL, LINE, METHOD, OTHER, shortened, top_down

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
    axes.grid(axis="x", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(
        f"{shortened(comparison.first.label)} − {shortened(comparison.second.label)}, points, 95 % interval"
    )
    axes.set_title(title(board), fontsize=10)
    return figure
