"""Secondary metrics: wider intervals, calibration, and accuracy by the difficulty of episodes.

Difficulty is the log-odds of one reference row, usually the frozen backbone alone, and orders the episodes for all rows
(Dhillon et al., ICLR 2020).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from freeshot.leaderboard.board import Board
from freeshot.leaderboard.entry import Entry
from freeshot.stats.intervals import worst_tenth

WIDER = ("episodes", "episodes and images", "episodes, images and classes")
"""Sources of randomness that the intervals of a cell cover, from narrow to wide."""
GROUPS = 10
"""Number of groups of equally difficult episodes."""


@dataclass(frozen=True)
class DifficultyCurves:
    """Mean log-odds and accuracies in ten groups of a track's episodes, from easy to hard."""

    track: str
    reference: str
    """Label of the row whose log-odds order the episodes."""
    log_odds: tuple[float, ...]
    """Mean of each group."""
    accuracies: Mapping[str, tuple[float, ...]]
    """Label → mean accuracy in each group."""


@dataclass(frozen=True)
class SecondaryMetrics:
    """Secondary metrics of a row over all its tracks, in 0…1; None if a record lacks them."""

    label: str
    worst_tenth: float
    easiest_tenth: float | None
    """Mean accuracy on the tenth of episodes that are easiest for the reference."""
    hardest_tenth: float | None
    ece: float | None
    brier: float | None


def difficulty_curves(board: Board) -> tuple[DifficultyCurves, ...]:
    """Return the curves of all tracks for which the reference's records have log-odds."""
    reference = next((row for row in board.all_rows if row.method == board.reference), None)
    if reference is None:
        return ()
    curves = (_on_track(board, reference, track.name) for track in board.tracks)
    return tuple(curve for curve in curves if curve is not None)


def _on_track(board: Board, reference: Entry, track: str) -> DifficultyCurves | None:
    runs = [record.log_odds for record in reference.finished(track)]
    if not runs or not all(runs) or len(runs[0]) < GROUPS:
        return None
    odds = np.mean(runs, axis=0)  # [seeds, e] -> [e]
    groups = np.array_split(np.argsort(odds, kind="stable"), GROUPS)
    return DifficultyCurves(
        track,
        reference.label,
        tuple(float(odds[group].mean()) for group in groups),
        {
            row.label: tuple(float(row.averages[track][group].mean()) for group in groups)
            for row in board.all_rows
            if track in row.averages
        },
    )


def half_widths(row: Entry, track: str) -> Mapping[str, float]:
    """Map the coverage of each interval to its half-width, averaged over seeds; the interval over episodes is first.

    An interval is omitted unless the records of all seeds have it.
    """
    cell = row.cells.get(track)
    if cell is None or cell.interval is None:
        return {}
    half = {WIDER[0]: cell.interval.half_width}
    records = row.finished(track)
    for covers in WIDER[1:]:
        widths = [(s.high - s.low) / 2 for r in records for s in r.wider_intervals if s.covers == covers]
        if widths and len(widths) == len(records):
            half[covers] = float(np.mean(widths))
    return half


def calibration(row: Entry, tracks: Sequence[str]) -> tuple[float, float] | tuple[None, None]:
    """Return the mean expected calibration error and Brier score on tracks; None if a finished record lacks them."""
    qualities = [record.quality for track in tracks for record in row.finished(track)]
    measured = [quality for quality in qualities if quality is not None]
    if not measured or len(measured) < len(qualities):
        return None, None
    return float(np.mean([q.ece for q in measured])), float(np.mean([q.brier for q in measured]))


def secondary_metrics(board: Board) -> tuple[SecondaryMetrics, ...]:
    """Compute the secondary metrics of every row and control with results."""
    curves = difficulty_curves(board)
    return tuple(_metrics(row, curves) for row in board.all_rows if row.averages)


def _metrics(row: Entry, curves: Sequence[DifficultyCurves]) -> SecondaryMetrics:
    own = [curve.accuracies[row.label] for curve in curves if row.label in curve.accuracies]
    complete = own and len(own) == len(row.averages)
    return SecondaryMetrics(
        row.label,
        float(np.mean([worst_tenth(accuracies) for accuracies in row.averages.values()])),
        float(np.mean([curve[0] for curve in own])) if complete else None,
        float(np.mean([curve[-1] for curve in own])) if complete else None,
        *calibration(row, [*row.averages]),
    )
