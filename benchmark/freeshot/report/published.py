"""What papers report, as rows of their own: a method and a source, on the tracks that a board has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from freeshot.contracts.published import Published
from freeshot.report.board import Board

HEADING = "Reported by papers (not measured here)"


@dataclass(frozen=True)
class PublishedRow:
    """The numbers that one source states for one method."""

    method: str
    source: str
    cells: Mapping[str, Published]


def published_rows(board: Board) -> tuple[PublishedRow, ...]:
    """Group a board's reported numbers into rows, in the order in which they were offered."""
    found: dict[tuple[str, str], dict[str, Published]] = {}
    for one in board.published:
        found.setdefault((one.source, one.method), {})[one.track] = one
    return tuple(PublishedRow(method, source, cells) for (source, method), cells in found.items())
