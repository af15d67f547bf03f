"""Paired differences between two rows, episode by episode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from freeshot.leaderboard.board import Board, Row
from freeshot.leaderboard.verdicts import verdict_intervals
from freeshot.stats.intervals import Interval

DEFAULT_PAIR = ("lora-recycle", "frozen-prototype")
"""The main question of this benchmark: does the LoRA pool improve on the backbone without it?"""


@dataclass(frozen=True)
class Versus:
    """Differences first − second of two rows, for each track that both have."""

    first: str
    second: str
    differences: Mapping[str, Interval]


def versus(board: Board, first: str = DEFAULT_PAIR[0], second: str = DEFAULT_PAIR[1]) -> tuple[Versus, ...]:
    """Compare rows given by label or method; a method with several rows gives several comparisons.

    Using only the best row of a method would select it on the test episodes.
    """
    return tuple(
        Versus(a.label, b.label, differences)
        for a in _rows(board, first)
        for b in _rows(board, second)
        if a is not b and (differences := _differences(a, b))
    )


def _rows(board: Board, name: str) -> list[Row]:
    rows = [*board.rows, *board.controls]
    return [row for row in rows if row.label == name] or [row for row in rows if row.line.method == name]


def _differences(first: Row, second: Row) -> dict[str, Interval]:
    shared = [track for track in first.line.averages if track in second.line.averages]
    return {track: verdict_intervals((first.line, second.line), track, [(0, 1)])[0] for track in shared}
