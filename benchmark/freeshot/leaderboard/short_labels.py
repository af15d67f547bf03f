"""Short names for rows: what differs from the usual setting of a method, where whole labels would fill the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from freeshot.leaderboard.board import Board, Row
from freeshot.leaderboard.labels import configuration, setting_words

MANY = 3
"""Rows of a method from which on there is a usual one."""


def short_labels(board: Board) -> dict[str, str]:
    """Map each label of a board to a short one, unique as well.

    A method's usual setting is the most common one among its rows that have the option at all; a row is named by
    its method and what differs from that. Where two rows would look alike, all of their method keep whole labels.
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
    """Return a board whose rows have short labels, where a method has so many that whole ones would fill the table."""
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
        return row.label  # nothing is usual about a single row
    mine, others = _settings(row), [_settings(peer) for peer in peers]
    telling = [setting_words(key, value) for key, value in mine.items() if value != _usual(key, mine, others)]
    return f"{row.line.method} [{', '.join(telling)}]" if telling else row.line.method


def _usual(key: str, mine: Mapping[str, str], settings: Sequence[Mapping[str, str]]) -> str | None:
    """Return the most common value; a part's option is counted among the rows that have the same part."""
    part = key.partition(".")[0]
    alike = [one for one in settings if part == key or one.get(part) == mine.get(part)]
    values = Counter(one.get(key) for one in alike)
    return min(values, key=lambda value: (-values[value], value or ""))


def _settings(row: Row) -> Mapping[str, str]:
    return configuration(row.line.records[0].spec).values
