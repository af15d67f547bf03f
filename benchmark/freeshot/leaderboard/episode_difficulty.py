"""Accuracy by episode hardness (Dhillon et al., ICLR 2020); one reference row defines the hardness for all rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from freeshot.leaderboard.board import Board, Row

REFERENCE = "frozen-prototype"
"""Method whose log-odds order the episodes; it uses the backbone alone."""
PARTS = 10


@dataclass(frozen=True)
class Hardness:
    """Mean log-odds and accuracies on ten parts of a track's episodes, from easy to hard."""

    track: str
    reference: str
    """Label of the row whose log-odds order the episodes."""
    log_odds: tuple[float, ...]
    """Mean of each part."""
    accuracies: Mapping[str, tuple[float, ...]]
    """Label → mean accuracy in each part."""


def hardness(board: Board) -> tuple[Hardness, ...]:
    """Return the curves of all tracks for which the reference's records have log-odds."""
    references = [row for row in (*board.rows, *board.controls) if row.line.method == REFERENCE]
    found = (_on_track(board, row, track.name) for row in references[:1] for track in board.tracks)
    return tuple(one for one in found if one is not None)


def _on_track(board: Board, reference: Row, track: str) -> Hardness | None:
    runs = [record.log_odds for record in reference.line.finished(track)]
    if not runs or not all(runs) or len(runs[0]) < PARTS:
        return None
    odds = np.mean(runs, axis=0)  # [seeds, e] -> [e]
    parts = np.array_split(np.argsort(odds, kind="stable"), PARTS)
    return Hardness(
        track,
        reference.label,
        tuple(float(odds[part].mean()) for part in parts),
        {
            row.label: tuple(float(scores[part].mean()) for part in parts)
            for row in (*board.rows, *board.controls)
            if (scores := row.line.averages.get(track)) is not None
        },
    )
