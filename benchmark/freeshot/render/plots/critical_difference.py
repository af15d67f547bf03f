"""Critical difference diagram (Demšar, 2006): average ranks, and bars that join rows without significant difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeshot.leaderboard.across_tracks import Standings
from freeshot.leaderboard.board import Board
from freeshot.render.format import title
from freeshot.render.plots.style import CONTROL, METHOD, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 14
"""Maximum number of ticks on the axis; for more ranks, every second or third is labelled."""


def critical_plot(board: Board, standings: Standings) -> Figure:
    """Draw the rows on an axis of ranks, the best on the left; labels of the better half are on the left side."""
    from matplotlib.figure import Figure

    count = len(standings.rows)
    half = (count + 1) // 2
    bars = 0.35 * len(standings.cliques)  # height of the bars, in rows of the diagram
    figure = Figure(figsize=(7.5, 1.1 + 0.26 * (half + bars)), layout="constrained")
    axes = figure.subplots()
    axes.set_xlim(1 - 0.02 * count, count + 0.02 * count)
    axes.set_ylim(half + bars + 0.8, 0)
    axes.xaxis.tick_top()
    axes.set_xticks(range(1, count + 1, -(-count // MOST)))
    axes.set_yticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.spines["top"].set_visible(True)
    for index, (label, rank) in enumerate(zip(standings.rows, standings.average_ranks, strict=True)):
        left = index < half
        y = bars + 0.9 + (index if left else count - 1 - index)
        edge = 1 - 0.02 * count if left else count + 0.02 * count
        axes.plot([rank, rank, edge], [0, y, y], color=CONTROL, linewidth=0.8, clip_on=False)
        text = f"{shortened(label)}  {rank:.2f}" if left else f"{rank:.2f}  {shortened(label)}"
        offset, align = (-4, "right") if left else (4, "left")
        axes.annotate(text, (edge, y), (offset, 0), textcoords="offset points", ha=align, va="center", fontsize=8)
    for index, clique in enumerate(standings.cliques):
        ends = [standings.average_ranks[clique[0]] - 0.03, standings.average_ranks[clique[-1]] + 0.03]
        axes.plot(ends, [0.5 + 0.35 * index] * 2, color=METHOD, linewidth=3.5, solid_capstyle="round")
    axes.set_title(
        f"{title(board)}: average ranks over {len(standings.tracks)} tracks; bars join rows that are not distinguished",
        fontsize=9,
    )
    return figure
