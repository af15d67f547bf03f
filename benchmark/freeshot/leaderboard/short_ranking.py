"""The short ranking of one suite: a row per method, sorted by average rank, with mean accuracies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from freeshot.basics.suggestions import unknown_name
from freeshot.basics.text import one_line
from freeshot.leaderboard.board import Board, boards
from freeshot.leaderboard.entry import Entry
from freeshot.leaderboard.selection import Selection
from freeshot.records.models import RunRecord

SCREEN = 32
"""Rows, controls included, that fit one screen together with the notes (45 lines)."""
ASCENDING = ("rank", "method", "data")
"""Columns that are sorted from small to large; the others are accuracies and counts."""


@dataclass(frozen=True)
class RankedRow:
    """A row of the ranking."""

    position: int | None
    """In the ranking of all rows, as in 1, 1, 3; None for controls and for rows without a rank."""
    values: Mapping[str, str | float | None]
    """Column → value; None if it is missing."""

    def key(self, column: str) -> tuple[bool, float, str]:
        """Return the sort key for a column; missing values are last."""
        value = self.values[column]
        if isinstance(value, str):
            return False, 0.0, value
        sign = 1 if column in ASCENDING else -1
        return value is None, sign * (value or 0.0), ""


@dataclass(frozen=True)
class ShortRanking:
    """The ranking of one suite, cut to the rows that are shown."""

    suite: str
    version: int
    tracks: int
    columns: tuple[str, ...]
    rows: tuple[RankedRow, ...]
    controls: tuple[RankedRow, ...]
    hidden: int
    limited: int
    """Number of records that are not comparable."""
    problems: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Whether no row has a result."""
        return not any(row.values["tracks"] for row in (*self.rows, *self.controls))


def short_ranking(
    records: Iterable[RunRecord], selection: Selection, *, sort: str = "rank", top: int | None = None
) -> ShortRanking:
    """Rank the selected rows of a suite, on the newest version of its tracks."""
    board = boards(selection.records(records))[0]
    names = ("method", "data", "rank", "mean", *board.sections, "tracks")
    column = sort.lower()
    if column not in names:
        raise unknown_name("column", sort, names)
    selected = {row.label for reduced in selection.boards((board,)) for row in reduced.all_rows}
    rows, controls = (
        sorted((_ranked(row, board) for row in every if row.label in selected), key=lambda row: row.key(column))
        for every in (board.rows, board.controls)
    )
    shown = max(1, SCREEN - len(controls)) if top is None else top
    return ShortRanking(
        board.suite,
        board.version,
        len(board.tracks),
        tuple(name for name in names if _is_shown(name, board, (*rows, *controls))),
        tuple(rows[:shown]),
        tuple(controls),
        len(rows[shown:]),
        board.limited,
        board.problems,
    )


def _ranked(row: Entry, board: Board) -> RankedRow:
    label = f"{row.short_label} ({row.tags.role})" if row.is_control else row.short_label
    ranks = [other.average_rank for other in board.rows if other.average_rank is not None]
    return RankedRow(
        None if row.average_rank is None else 1 + sum(rank < row.average_rank for rank in ranks),
        {
            "method": one_line(label),
            "data": one_line(row.tags.data_free),
            "rank": row.average_rank,
            "mean": row.mean([t.name for t in board.tracks]),
            **{section: row.mean([t.name for t in tracks]) for section, tracks in board.sections.items()},
            "tracks": len(row.averages),
        },
    )


def _is_shown(column: str, board: Board, rows: Sequence[RankedRow]) -> bool:
    """Leave out columns that repeat another one."""
    if column == "tracks":
        return any(row.values["tracks"] != len(board.tracks) for row in rows)
    return column not in board.sections or len(board.sections) > 1
