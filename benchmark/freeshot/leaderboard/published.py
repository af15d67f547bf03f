"""Tables of numbers that papers report on the tracks of a board, by method and source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from freeshot.contracts.leaderboard import Published
from freeshot.leaderboard.board import Board, TrackColumn

HEADING = "Reported by papers (not measured here)"
CAUTION = "Other images, episodes and training than here: never ranked, and not comparable in detail."


@dataclass(frozen=True)
class PublishedRow:
    """Numbers from one source for one method, by track."""

    method: str
    source: str
    cells: Mapping[str, Published]


@dataclass(frozen=True)
class PublishedTable:
    """Reported numbers on the tracks of a section."""

    section: str
    tracks: tuple[TrackColumn, ...]
    rows: tuple[PublishedRow, ...]


def published_tables(board: Board) -> tuple[PublishedTable, ...]:
    """Group a board's reported numbers by section, source and method, in the order in which plugins provide them."""
    tables = []
    for section, tracks in board.sections.items():
        shown = tuple(t for t in tracks if any(one.track == t.name for one in board.published))
        if shown:
            tables.append(PublishedTable(section, shown, _rows(board, {t.name for t in shown})))
    return tuple(tables)


def _rows(board: Board, names: set[str]) -> tuple[PublishedRow, ...]:
    found: dict[tuple[str, str], dict[str, Published]] = {}
    for one in board.published:
        if one.track in names:
            found.setdefault((one.source, one.method), {})[one.track] = one
    return tuple(PublishedRow(method, source, cells) for (source, method), cells in found.items())
