"""Short row labels, which name only the settings that differ from the usual ones of a method."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from freeshot.leaderboard.board import Board, Row
from freeshot.leaderboard.labels import configuration, setting_words

MANY = 3
"""Minimum number of rows of a method for short labels in tables."""


def short_labels(board: Board) -> dict[str, str]:
    """Map each label of a board to a short label, which is unique as well.

    The usual value of a setting is the most common one among the rows of a method that have the setting; a short label
    is the method and the settings that differ. If two would be equal, all rows of the method keep their full labels.
    """
    rows = [*board.rows, *board.controls]
    found: dict[str, str] = {}
    for method in dict.fromkeys(row.line.method for row in rows):
        peers = [row for row in rows if row.line.method == method]
        short = [_short(row, peers) for row in peers]
        alike = len(set(short)) < len(short)
        found |= {row.label: row.label if alike else name for row, name in zip(peers, short, strict=True)}
    return found


def with_short_labels(board: Board) -> Board:
    """Return a board with short labels for the rows of methods that have at least MANY rows."""
    rows = [*board.rows, *board.controls]
    many = {method for method, count in Counter(row.line.method for row in rows).items() if count >= MANY}
    short = short_labels(board)

    def renamed(row: Row) -> Row:
        if row.line.method not in many:
            return row
        return replace(row, line=replace(row.line, label=short[row.label]))

    return replace(board, rows=tuple(map(renamed, board.rows)), controls=tuple(map(renamed, board.controls)))


def _short(row: Row, peers: Sequence[Row]) -> str:
    if len(peers) == 1:
        return row.label  # a single row has no usual setting to differ from
    mine, others = _settings(row), [_settings(peer) for peer in peers]
    telling = [setting_words(key, value) for key, value in mine.items() if value != _usual(key, mine, others)]
    return f"{row.line.method} [{', '.join(telling)}]" if telling else row.line.method


def _usual(key: str, mine: Mapping[str, str], settings: Sequence[Mapping[str, str]]) -> str | None:
    """Return the most common value of a setting; for an option of a part, among rows with the same part."""
    part = key.partition(".")[0]
    alike = [one for one in settings if part == key or one.get(part) == mine.get(part)]
    values = Counter(one.get(key) for one in alike)
    return min(values, key=lambda value: (-values[value], value or ""))


def _settings(row: Row) -> Mapping[str, str]:
    return configuration(row.line.records[0].spec).values
