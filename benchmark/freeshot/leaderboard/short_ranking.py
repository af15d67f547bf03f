"""The short ranking of one suite: a row per method, sorted by average rank, with mean accuracies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from freeshot.basics.suggestions import unknown_name
from freeshot.basics.text import one_line
from freeshot.leaderboard.board import CONTROLS, Board, Row, boards
from freeshot.leaderboard.lookup import all_rows
from freeshot.leaderboard.selection import Selection
from freeshot.leaderboard.short_labels import with_short_labels
from freeshot.records.models import RunRecord

SCREEN = 32
"""Rows, controls included, that fit one screen together with the notes (45 lines)."""
ASCENDING = ("rank", "method", "data")
"""Columns that are sorted from small to large; the others are accuracies and counts."""


@dataclass(frozen=True)
class Entry:
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
    entries: tuple[Entry, ...]
    controls: tuple[Entry, ...]
    hidden: int
    """Number of rows that are not shown."""
    limited: int
    """Number of records that are not comparable."""
    problems: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Whether no row has a result."""
        return not any(entry.values["tracks"] for entry in (*self.entries, *self.controls))


def short_ranking(
    records: Iterable[RunRecord], selection: Selection, *, sort: str = "rank", top: int | None = None
) -> ShortRanking:
    """Rank the selected rows of a suite, on the newest version of its tracks."""
    board = boards(selection.records(records))[0]
    every = ("method", "data", "rank", "mean", *board.sections, "tracks")
    column = sort.lower()
    if column not in every:
        raise unknown_name("column", sort, every)
    entries, controls = (sorted(rows, key=lambda entry: entry.key(column)) for rows in _entries(board, selection))
    shown = max(1, SCREEN - len(controls)) if top is None else top
    return ShortRanking(
        board.suite,
        board.version,
        len(board.tracks),
        tuple(name for name in every if _is_shown(name, board, (*entries, *controls))),
        tuple(entries[:shown]),
        tuple(controls),
        len(entries[shown:]),
        board.limited,
        board.problems,
    )


def _entries(board: Board, selection: Selection) -> tuple[list[Entry], list[Entry]]:
    """Return the selected rows and controls, with their positions among all rows of the board."""
    kept = {row.label for selected in selection.boards((board,)) for row in all_rows(selected)}
    named = with_short_labels(board)
    entries, controls = (
        [_entry(row, board) for row, original in zip(short, full, strict=True) if original.label in kept]
        for short, full in ((named.rows, board.rows), (named.controls, board.controls))
    )
    return entries, controls


def _position(row: Row, board: Board) -> int | None:
    if row.average_rank is None:
        return None
    return 1 + sum(other.average_rank < row.average_rank for other in board.rows if other.average_rank is not None)


def _entry(row: Row, board: Board) -> Entry:
    means = {name: cell.interval.mean for name, cell in row.cells.items() if cell.interval}
    label = f"{row.label} ({row.line.role})" if row.line.role in CONTROLS else row.label
    sections = {section: [means.get(t.name) for t in tracks] for section, tracks in board.sections.items()}
    return Entry(
        _position(row, board),
        {
            "method": one_line(label),
            "data": one_line(row.line.data_free),
            "rank": row.average_rank,
            "mean": _mean([means.get(t.name) for t in board.tracks]),
            **{section: _mean(values) for section, values in sections.items()},
            "tracks": len(means),
        },
    )


def _mean(values: Sequence[float | None]) -> float | None:
    """Average accuracies; None if one is missing, because means over different tracks are not comparable."""
    complete = [value for value in values if value is not None]
    return fmean(complete) if values and len(complete) == len(values) else None


def _is_shown(column: str, board: Board, entries: Sequence[Entry]) -> bool:
    """Leave out columns that repeat another one."""
    if column == "tracks":
        return any(entry.values["tracks"] != len(board.tracks) for entry in entries)
    return column not in board.sections or len(board.sections) > 1
