"""Secondary metrics: intervals that cover more than tasks, accuracy on hard episodes, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from freeshot.leaderboard.board import Board, Row
from freeshot.leaderboard.episode_difficulty import Hardness, hardness
from freeshot.stats.intervals import worst_tenth

WIDER = ("episodes", "episodes and images", "episodes, images and classes")
"""Sources of randomness that the intervals of a cell cover, from narrow to wide."""


@dataclass(frozen=True)
class SecondaryMetrics:
    """Secondary metrics of a row over all its tracks, in 0…1; None if a record lacks them."""

    label: str
    worst_tenth: float
    easiest_tenth: float | None
    """Mean accuracy on the tenth of episodes that the frozen backbone finds easiest."""
    hardest_tenth: float | None
    ece: float | None
    brier: float | None


def half_widths(row: Row, track: str) -> Mapping[str, float]:
    """Map the coverage of each interval to its half-width, averaged over seeds; the interval over episodes is first.

    An interval is omitted unless the records of all seeds have it.
    """
    cell = row.cells.get(track)
    if cell is None or cell.interval is None:
        return {}
    found = {WIDER[0]: cell.interval.half_width}
    records = row.line.finished(track)
    for covers in WIDER[1:]:
        widths = [(s.high - s.low) / 2 for r in records for s in r.spreads if s.covers == covers]
        if widths and len(widths) == len(records):
            found[covers] = float(np.mean(widths))
    return found


def beyond(board: Board) -> tuple[SecondaryMetrics, ...]:
    """Compute the secondary metrics of every row and control."""
    curves = hardness(board)
    return tuple(_beyond(row, curves) for row in (*board.rows, *board.controls) if row.line.scores)


def _beyond(row: Row, curves: Sequence[Hardness]) -> SecondaryMetrics:
    records = [record for track in row.line.scores for record in row.line.finished(track)]
    own = [curve.accuracies[row.label] for curve in curves if row.label in curve.accuracies]
    whole = len(own) == len(row.line.scores)
    judged = [r.quality for r in records if r.quality is not None]
    told = len(judged) == len(records)
    return SecondaryMetrics(
        row.label,
        float(np.mean([worst_tenth(scores) for scores in row.line.averages.values()])),
        float(np.mean([curve[0] for curve in own])) if whole and own else None,
        float(np.mean([curve[-1] for curve in own])) if whole and own else None,
        float(np.mean([q.ece for q in judged])) if told else None,
        float(np.mean([q.brier for q in judged])) if told else None,
    )
