"""Plot of accuracy against cost, with the Pareto front of the methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot.leaderboard.board import Board
from freeshot.leaderboard.costs import costs, usual_device
from freeshot.render.format import one_line, settings_of, title
from freeshot.render.plots.style import CONTROL, LINE, METHOD, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROOM = 24
"""Number of labels that fit vertically in a figure of default height."""
LEAST = 0.1
"""Minimum seconds to draw; smaller costs are drawn at this value, because a log axis has no zero."""


@dataclass(frozen=True)
class Point:
    """Cost and accuracy of a row that has every track."""

    label: str
    control: bool
    seconds: float
    """Time to prepare and evaluate a track without a cache."""
    accuracy: float
    """Mean over the tracks, 0…1."""


def cost_points(board: Board) -> tuple[Point, ...]:
    """Return the rows with every track and a cost on the usual device; other devices are not comparable."""
    prices = costs(board)
    device, tracks = usual_device(prices), [track.name for track in board.tracks]
    seconds = {c.label: c.seconds for c in prices if c.device == device}
    return tuple(
        Point(row.label, row.is_control, max(seconds[row.label], LEAST), accuracy)
        for row in board.all_rows
        if row.label in seconds and (accuracy := row.mean(tracks)) is not None
    )


def front(points: Sequence[Point]) -> tuple[Point, ...]:
    """Return the Pareto front of the methods in cost and accuracy, from cheap to expensive."""
    methods = [point for point in points if not point.control]
    best = (p for p in methods if not any(_beats(q, p) for q in methods))
    return tuple(sorted(best, key=lambda point: (point.seconds, point.label)))


def cost_plot(board: Board) -> Figure | None:
    """Draw mean accuracy over tracks against seconds per track; None if no row has both."""
    points = cost_points(board)
    if not points:
        return None
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4 * max(1.0, len(points) / ROOM)), layout="constrained")
    axes = figure.subplots()
    best = front(points)
    axes.plot([p.seconds for p in best], [100 * p.accuracy for p in best], "--", color=METHOD, linewidth=1)
    for point in points:
        color, face = (CONTROL, "white") if point.control else (METHOD, METHOD)
        axes.plot(point.seconds, 100 * point.accuracy, "o", color=color, markerfacecolor=face)
    _log_scale(axes)
    axes.margins(x=0.05, y=0.1)
    _label(axes, points, {row.label: shortened(settings_of(row) or row.label) for row in board.all_rows})
    axes.grid(color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(f"seconds a track, nothing cached, on {one_line(usual_device(costs(board)) or '')}")
    axes.set_ylabel(f"mean accuracy over {len(board.tracks)} tracks in percent")
    axes.set_title(title(board), fontsize=10)
    return figure


def _label(axes: Axes, points: Sequence[Point], texts: Mapping[str, str]) -> None:
    """Write labels to the right, sorted by accuracy, with a line to each point, because points crowd."""
    low, high = axes.get_ylim()
    ordered = sorted(points, key=lambda point: (-point.accuracy, point.label))
    for point, y in zip(ordered, spaced([100 * p.accuracy for p in ordered], low, high), strict=True):
        axes.annotate(
            texts[point.label], (point.seconds, 100 * point.accuracy), (1.03, y), textcoords=("axes fraction", "data"),
            fontsize=7, va="center", annotation_clip=False, zorder=0,
            arrowprops={
                "arrowstyle": "-", "color": CONTROL, "linewidth": 0.4, "shrinkA": 1, "shrinkB": 3, "relpos": (0, 0.5),
            },
        )  # fmt: skip


def spaced(heights: Sequence[float], low: float, high: float) -> list[float]:
    """Spread heights, sorted from high to low, so that labels do not overlap; keep them within low and high."""
    step = (high - low) / max(ROOM, len(heights))
    positions: list[float] = []
    for index, height in enumerate(heights):
        least = low + step * (len(heights) - index - 0.5)  # leave room for the labels below
        most = positions[-1] - step if positions else high - step / 2
        positions.append(min(max(height, least), most))
    return positions


def _log_scale(axes: Axes) -> None:
    """Label 1, 2 and 5 times powers of ten with plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds:g}"))


def _beats(q: Point, p: Point) -> bool:
    as_good = q.seconds <= p.seconds and q.accuracy >= p.accuracy
    return as_good and (q.seconds < p.seconds or q.accuracy > p.accuracy)
