"""Which episodes a reader sees: a track, one or two rows with results on it, and the episodes in some order.

Axes: r rows, e episodes of the track.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from freeshot.basics.errors import StoreError, UnknownNameError
from freeshot.basics.suggestions import unknown_name
from freeshot.leaderboard.board import Board
from freeshot.leaderboard.entry import Entry
from freeshot.leaderboard.selection import boards_of_suite, find_rows, row_names, unknown_row

Accuracies = NDArray[np.float64]

ORDERS: dict[str, Callable[[Accuracies], Accuracies]] = {
    "number": lambda accuracies: np.arange(accuracies.shape[1], dtype=np.float64),
    "difference": lambda accuracies: accuracies[-1] - accuracies[0],
    "difficulty": lambda accuracies: accuracies.mean(axis=0),
}
"""Order → sort key [e] of accuracies [r, e], ascending: A − B from high to low, and the hardest first."""


@dataclass(frozen=True)
class Choice:
    """A track of a board, and the rows whose results on it are shown."""

    board: Board
    track: str
    rows: tuple[Entry, ...]
    """Two different rows, or one if the track has no other."""

    @property
    def candidates(self) -> tuple[Entry, ...]:
        """All rows with a result on the track."""
        return _with_result(self.board, self.track)


def newest_boards(every: Sequence[Board], first: str | None = None) -> list[Board]:
    """Return the newest board of each suite that has a result, the suite `first` before the others."""
    newest = {board.suite: board for board in sorted(every, key=lambda board: board.version) if tracks_of(board)}
    return sorted(newest.values(), key=lambda board: (board.suite != first, board.suite))


def tracks_of(board: Board) -> list[str]:
    """List the tracks on which a row has a result."""
    return [track.name for track in board.tracks if _with_result(board, track.name)]


def choose(
    newest: Sequence[Board], suite: str | None, track: str | None, names: Sequence[str | None], *, replace: bool = False
) -> Choice:
    """Choose a track and up to two rows by label, short label or method; None stands for a default.

    By default the first suite that has the track, its first track, the suite's pair of methods, or its first rows.
    `replace` puts a default in place of a row that has no result on the track: it was of the reader's last track.
    StoreError without results; UnknownNameError for a name that matches nothing or several rows.
    """
    if not newest:
        raise StoreError("No record is finished. Create some with 'freeshot run', or pass another DIR.")
    boards = boards_of_suite(newest, suite)
    name = track or tracks_of(boards[0])[0]
    board = next((board for board in boards if name in tracks_of(board)), None)
    if board is None:
        raise unknown_name("track with results", name, {name for board in boards for name in tracks_of(board)})
    named = [_row(board, name, row, replace=replace) if row else None for row in names]
    rows: list[Entry] = []
    for row in [*named, *[None] * (2 - len(named))]:
        taken = [*rows, *filter(None, named)]
        chosen = row or next((other for other in _preferred(board, name) if other not in taken), None)
        rows += [chosen] if chosen and chosen not in rows else []
    return Choice(board, name, tuple(rows))


def ordered(accuracies: Accuracies, order: str) -> list[int]:
    """Sort the numbers of episodes by one of ORDERS, equal ones by number; UnknownNameError for another order."""
    if order not in ORDERS:
        raise unknown_name("order", order, ORDERS)
    numbers: list[int] = np.argsort(ORDERS[order](accuracies).round(9), kind="stable").tolist()
    return numbers


def sampled(accuracies: Accuracies, count: int) -> list[int]:
    """Return the numbers of `count` episodes: the hardest, those around the median, and the easiest, a third each."""
    every = ordered(accuracies, "difficulty")
    if count >= len(every):
        return every
    hardest, easiest = (count + 2) // 3, count // 3
    middle = count - hardest - easiest
    start = (len(every) - middle) // 2
    return [*every[:hardest], *every[start : start + middle], *every[len(every) - easiest :]]


def _with_result(board: Board, track: str) -> tuple[Entry, ...]:
    return tuple(row for row in board.all_rows if track in row.averages)


def _preferred(board: Board, track: str) -> list[Entry]:
    pair = [row for name in board.pair or () for row in find_rows(board, name, "method")[:1] if track in row.averages]
    return [*pair, *(row for row in _with_result(board, track) if row not in pair)]


def _row(board: Board, track: str, name: str, *, replace: bool) -> Entry | None:
    rows = find_rows(board, name, "label", "short_label", "method")
    if name not in row_names(board):
        raise unknown_row([board], name, board.suite)
    if len(rows) > 1:
        labels = "; ".join(row.label for row in rows)
        raise UnknownNameError(f"'{name}' matches several rows: {labels}. Use one of these labels.")
    if track not in rows[0].averages:
        if replace:
            return None
        raise UnknownNameError(f"'{rows[0].label}' has no result on '{track}'. Choose another row, or run it there.")
    return rows[0]
