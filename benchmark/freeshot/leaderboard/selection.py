"""Which boards, records and rows a report shows: one suite, some tracks, rows found by label or method."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal

from freeshot.basics.errors import UnknownNameError
from freeshot.basics.suggestions import unknown_name
from freeshot.contracts.tracks import Suite
from freeshot.leaderboard.board import Board
from freeshot.leaderboard.entry import Entry
from freeshot.records.models import RunRecord


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
            _require_suite(self.suite, {record.spec.suite for record in selected})
            selected = [record for record in selected if record.spec.suite == self.suite]
        if not self.tracks:
            return selected
        names = {record.spec.track.name for record in selected}
        for pattern in self.tracks:
            if not any(fnmatchcase(name, pattern) for name in names):
                raise unknown_name("track with records", pattern, names)
        return [r for r in selected if any(fnmatchcase(r.spec.track.name, pattern) for pattern in self.tracks)]

    def boards(self, boards: Iterable[Board]) -> tuple[Board, ...]:
        """Return the boards with the rows of the methods; ranks are those among all rows."""
        every = tuple(boards)
        if not self.methods:
            return every
        for name in self.methods:
            if not any(_selected(board, name) for board in every):
                raise unknown_row(every, name, self.suite)
        reduced = [self._reduced(board) for board in every]
        return tuple(board for board in reduced if board.all_rows)

    def _reduced(self, board: Board) -> Board:
        labels = {row.label for name in self.methods for row in _selected(board, name)}
        rows, controls = (tuple(r for r in rows if r.label in labels) for rows in (board.rows, board.controls))
        return replace(board, rows=rows, controls=controls)


EVERYTHING = Selection()


def main_suite(records: Sequence[RunRecord], suites: Mapping[str, Suite]) -> str:
    """Return the suite to show first: the main one that has records, otherwise the one with most."""
    counts = Counter(record.spec.suite for record in records)
    main = [name for name in counts if name in suites and suites[name].main]
    return min(main or counts, key=lambda suite: (-counts[suite], suite))


def find_rows(board: Board, name: str, *fields: Literal["label", "short_label", "method"]) -> list[Entry]:
    """Return the rows with this name in the first field in which any row has it."""
    for field in fields:
        if rows := [row for row in board.all_rows if getattr(row, field) == name]:
            return rows
    return []


def row_names(board: Board) -> set[str]:
    """Return all labels, short labels and methods of a board."""
    return {name for row in board.all_rows for name in (row.label, row.short_label, row.method)}


def boards_of_suite(boards: Sequence[Board], suite: str | None) -> list[Board]:
    """Return the boards of this suite, or all if it is None; UnknownNameError for a suite without records."""
    if suite is not None:
        _require_suite(suite, {board.suite for board in boards})
    return [board for board in boards if suite in (None, board.suite)]


def unknown_row(boards: Sequence[Board], name: str, suite: str | None = None) -> UnknownNameError:
    """Build the error for a name that matches no row; for the name of a component, suggest a row that uses it."""
    holders = {row.label for board in boards for row in board.all_rows if _has_component(row, name)}
    if holders:
        example = min(holders, key=lambda label: (f"={name}" not in label, len(label), label))
        return UnknownNameError(
            f"'{name}' is a component, not a row or method. Use a row that has it, e.g. '{example}'."
        )
    known = {known for board in boards for known in row_names(board)}
    where = f"of '{suite}'" if suite else "with records"
    return unknown_name(f"row or method {where}", name, known, "List the rows with 'freeshot leaderboard'.")


def _require_suite(suite: str, suites: set[str]) -> None:
    if suite not in suites:
        raise unknown_name("suite with records", suite, suites)


def _selected(board: Board, name: str) -> list[Entry]:
    return find_rows(board, name, "label", "method", "short_label")


def _has_component(row: Entry, name: str) -> bool:
    return any(component.name == name for record in row.records for component in record.spec.components.values())
