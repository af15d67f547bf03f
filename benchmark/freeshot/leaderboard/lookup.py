"""Lookup of rows by name: full label, short label or method."""

from __future__ import annotations

from collections.abc import Sequence

from freeshot.basics.errors import UnknownNameError
from freeshot.basics.suggestions import unknown_name
from freeshot.leaderboard.board import Board, Row
from freeshot.leaderboard.short_labels import with_short_labels


def all_rows(board: Board) -> list[Row]:
    """List the ranked rows, then the controls."""
    return [*board.rows, *board.controls]


def by_label(board: Board, name: str) -> list[Row]:
    """Return the row with this label, or an empty list."""
    return [row for row in all_rows(board) if row.label == name]


def by_short_label(board: Board, name: str) -> list[Row]:
    """Return the row with this short label, or an empty list."""
    short = all_rows(with_short_labels(board))
    return [row for row, shown in zip(all_rows(board), short, strict=True) if shown.label == name]


def by_method(board: Board, name: str) -> list[Row]:
    """Return all rows of this method."""
    return [row for row in all_rows(board) if row.line.method == name]


def names_on(board: Board) -> set[str]:
    """Return all labels, short labels and methods of a board."""
    rows = [*all_rows(board), *all_rows(with_short_labels(board))]
    return {name for row in rows for name in (row.label, row.line.method)}


def of_suite(found: Sequence[Board], suite: str | None) -> list[Board]:
    """Return the boards of this suite, or all if it is None; UnknownNameError for a suite without records."""
    suites = {board.suite for board in found}
    if suite is not None and suite not in suites:
        raise unknown_name("suite with records", suite, suites)
    return [board for board in found if suite in (None, board.suite)]


def unknown_row(found: Sequence[Board], name: str, suite: str | None = None) -> UnknownNameError:
    """Build the error for a name that matches no row; for the name of a part, suggest a row that uses it."""
    holders = {row.label for board in found for row in all_rows(board) if _has_part(row, name)}
    if holders:
        telling = min(holders, key=lambda label: (f"={name}" not in label, len(label), label))
        return UnknownNameError(f"'{name}' is a part, not a row or method. Use a row that has it, e.g. '{telling}'.")
    known = {known for board in found for known in names_on(board)}
    where = f"of '{suite}'" if suite else "with records"
    return unknown_name(f"row or method {where}", name, known, "List the rows with 'freeshot leaderboard'.")


def _has_part(row: Row, name: str) -> bool:
    return any(part.name == name for record in row.line.records for part in record.spec.parts.values())
