"""The tables of a board as words, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from freeshot.contracts.columns import Column
from freeshot.report.board import Board, Row, TrackColumn
from freeshot.report.costs import costs
from freeshot.report.published import published_tables
from freeshot.report.versus import DEFAULT_PAIR, versus
from freeshot.report.wording import (
    Drawing,
    Footnotes,
    Words,
    cell_words,
    cost_lines,
    differences,
    one_line,
    overview,
    published_words,
)


@dataclass(frozen=True)
class Tables:
    """All tables of a board; titles of track columns are two lines, joined by a line feed."""

    overview: Drawing
    accuracy: dict[str, Drawing]
    """Section → rows by tracks."""
    paired: dict[str, Drawing]
    """Section → pairs by tracks; empty where the pair was not run."""
    costs: Drawing
    reported: dict[str, Drawing]
    """Section → what papers report, with the source in the last column."""


def draw(
    board: Board,
    columns: Sequence[Column],
    notes: Footnotes,
    *,
    digits: int,
    pair: tuple[str, str] = DEFAULT_PAIR,
) -> Tables:
    """Draw all tables of a board, with their footnotes numbered in reading order."""

    def line(row: Row, tracks: Sequence[TrackColumn]) -> tuple[Words, ...]:
        return Words(one_line(row.label)), *(cell_words(row.cells.get(t.name), digits, notes.refer) for t in tracks)

    accuracy = {
        section: Drawing(
            ("Row", *map(_heading, tracks)),
            tuple(line(row, tracks) for row in board.rows),
            tuple(line(row, tracks) for row in board.controls),
        )
        for section, tracks in board.sections.items()
    }
    return Tables(
        overview(board, columns),
        accuracy,
        _paired(board, pair, digits),
        cost_lines(costs(board)),
        _reported(board, digits),
    )


def _paired(board: Board, pair: tuple[str, str], digits: int) -> dict[str, Drawing]:
    """Draw the comparisons on the tracks that have one."""
    found = versus(board, *pair)
    compared = {track for one in found for track in one.differences}
    drawings = {}
    for section, tracks in board.sections.items():
        if shared := [t for t in tracks if t.name in compared]:
            titles = ("Pair", *map(_heading, shared))
            drawings[section] = Drawing(titles, differences(found, [t.name for t in shared], digits))
    return drawings


def _reported(board: Board, digits: int) -> dict[str, Drawing]:
    return {
        table.section: Drawing(
            ("Method", *map(_heading, table.tracks), "Source"),
            tuple(
                (
                    Words(one_line(row.method)),
                    *(published_words(row.cells.get(t.name), digits) for t in table.tracks),
                    Words(one_line(row.source)),
                )
                for row in table.rows
            ),
        )
        for table in published_tables(board)
    }


def _heading(track: TrackColumn) -> str:
    return "\n".join(one_line(part) for part in track.title if part)
