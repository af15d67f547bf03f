"""Scatter plot of two rows' accuracies, episode by episode, one panel per track."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from freeshot.leaderboard.board import Board, TrackColumn
from freeshot.leaderboard.entry import Entry
from freeshot.leaderboard.pairwise import verdict_intervals
from freeshot.render.format import heading, title
from freeshot.render.plots.style import CONTROL, LINE, METHOD, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4


def episode_plot(board: Board, first: Entry, second: Entry) -> Figure:
    """Draw each episode at (accuracy of second, accuracy of first); above the diagonal the first row is better."""
    from matplotlib.figure import Figure

    every = [track for tracks in board.sections.values() for track in tracks]
    shared = [track for track in every if track.name in first.averages and track.name in second.averages]
    columns = min(COLUMNS, len(shared))
    rows = math.ceil(len(shared) / columns)
    figure = Figure(figsize=(0.7 + 2.1 * columns, 0.9 + 2.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, track in zip(panels, shared, strict=False):
        _draw(axes, first, second, track)
    for axes in panels[len(shared) :]:
        axes.set_axis_off()
    figure.suptitle(title(board), fontsize=10)
    figure.supxlabel(f"{shortened(second.label)}: accuracy in percent", fontsize=8)
    figure.supylabel(f"{shortened(first.label)}: accuracy in percent", fontsize=8)
    return figure


def points(x: Sequence[float], y: Sequence[float]) -> tuple[list[tuple[float, float]], list[int]]:
    """Return the distinct pairs, sorted, and how many episodes each stands for: few queries give few accuracies."""
    counts = sorted(Counter(zip(x, y, strict=True)).items())
    return [pair for pair, _ in counts], [count for _, count in counts]


def _draw(axes: Axes, first: Entry, second: Entry, track: TrackColumn) -> None:
    x, y = (100 * np.asarray(row.averages[track.name]) for row in (second, first))
    pairs, counts = points(x.round(6).tolist(), y.round(6).tolist())
    across, up = zip(*pairs, strict=True)
    low, high = min(x.min(), y.min()) - 3, max(x.max(), y.max()) + 3
    axes.axline((low, low), slope=1, color=CONTROL, linewidth=0.8)
    axes.scatter(across, up, s=[6.0 * count for count in counts], color=METHOD, alpha=0.45, linewidth=0)
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.grid(color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=7)
    interval = verdict_intervals((first, second), track.name, [(0, 1)])[0]
    difference = f"{100 * interval.mean:+.1f} ± {100 * interval.half_width:.1f}".replace("-", "−")
    axes.set_title(f"{heading(track)}\n{difference}", fontsize=8)
