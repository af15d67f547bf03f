"""Which records and rows a report shows: one suite, some tracks, some methods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from freeshot.basics.suggestions import unknown_name
from freeshot.leaderboard.board import Board, Row
from freeshot.leaderboard.lookup import all_rows, by_label, by_method, by_short_label, unknown_row
from freeshot.records.models import RunRecord

MAIN = "pocket"
"""Suite that is shown first if there are records of it."""


@dataclass(frozen=True)
class Selection:
    """A filter for records and rows; the default selects everything."""

    suite: str | None = None
    tracks: tuple[str, ...] = ()
    """Patterns of track names, e.g. '*/5w1s'."""
    methods: tuple[str, ...] = ()
    """Methods or row labels."""

    def records(self, records: Iterable[RunRecord]) -> list[RunRecord]:
        """Return the records of the suite and the tracks; UnknownNameError for a suite or track without records."""
        selected = list(records)
        if self.suite is not None:
            selected = _of_suite(selected, self.suite)
        return _on_tracks(selected, self.tracks) if self.tracks else selected

    def boards(self, boards: Iterable[Board]) -> tuple[Board, ...]:
        """Return the boards with the rows of the methods; ranks are those among all rows."""
        every = tuple(boards)
        if not self.methods:
            return every
        for name in self.methods:
            if not any(_rows_of(board, name) for board in every):
                raise unknown_row(every, name, self.suite)
        reduced = [self._reduced(board) for board in every]
        return tuple(board for board in reduced if all_rows(board))

    def _reduced(self, board: Board) -> Board:
        labels = {row.label for name in self.methods for row in _rows_of(board, name)}
        rows, controls = (tuple(r for r in rows if r.label in labels) for rows in (board.rows, board.controls))
        return replace(board, rows=rows, controls=controls)


EVERYTHING = Selection()


def main_suite(records: Sequence[RunRecord]) -> str:
    """Return the suite to show first: MAIN if it has records, otherwise the one with most."""
    counts = Counter(record.spec.suite for record in records)
    return MAIN if MAIN in counts else min(counts, key=lambda suite: (-counts[suite], suite))


def _of_suite(records: Sequence[RunRecord], suite: str) -> list[RunRecord]:
    suites = {record.spec.suite for record in records}
    if suite not in suites:
        raise unknown_name("suite with records", suite, suites)
    return [record for record in records if record.spec.suite == suite]


def _on_tracks(records: Sequence[RunRecord], patterns: Sequence[str]) -> list[RunRecord]:
    names = {record.spec.track.name for record in records}
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise unknown_name("track with records", pattern, names)
    return [r for r in records if any(fnmatchcase(r.spec.track.name, pattern) for pattern in patterns)]


def _rows_of(board: Board, name: str) -> list[Row]:
    return by_label(board, name) or by_method(board, name) or by_short_label(board, name)
