"""The tables of a board as text, in reading order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from freeshot.contracts.leaderboard import Column
from freeshot.leaderboard.across_tracks import standings
from freeshot.leaderboard.board import Board, Row, TrackColumn
from freeshot.leaderboard.costs import costs
from freeshot.leaderboard.published import published_tables
from freeshot.leaderboard.secondary_metrics import WIDER, beyond, half_widths
from freeshot.leaderboard.versus import versus
from freeshot.render.across_tracks import WIDE, Across, across
from freeshot.render.format import (
    MISSING,
    Footnotes,
    TextCell,
    TextTable,
    cell_words,
    cost_lines,
    differences,
    one_line,
    overview,
    percent,
    published_words,
)


@dataclass(frozen=True)
class Tables:
    """All tables of a board; titles of track columns are two lines, joined by a line feed."""

    overview: TextTable
    accuracy: dict[str, TextTable]
    """Section → rows by tracks."""
    paired: dict[str, TextTable]
    """Section → pairs by tracks; empty if the pair was not run."""
    costs: TextTable
    seeds: dict[str, TextTable]
    """Section → rows with several training seeds by tracks; empty if there are none."""
    across: Across | None
    """None if fewer than two ranked rows have every track."""
    wider: dict[str, TextTable]
    """Section → half-widths that also cover images and classes, for rows that have them."""
    beyond: TextTable
    reported: dict[str, TextTable]
    """Section → numbers reported by papers, with the source in the last column."""


def draw(board: Board, columns: Sequence[Column], notes: Footnotes, *, digits: int) -> Tables:
    """Build all tables of a board; footnotes are numbered in reading order."""

    def line(row: Row, tracks: Sequence[TrackColumn]) -> tuple[TextCell, ...]:
        return TextCell(one_line(row.label)), *(cell_words(row.cells.get(t.name), digits, notes.refer) for t in tracks)

    accuracy = {
        section: TextTable(
            ("Row", *map(_heading, tracks)),
            tuple(line(row, tracks) for row in board.rows),
            tuple(line(row, tracks) for row in board.controls),
        )
        for section, tracks in board.sections.items()
    }
    found = standings(board, WIDE)
    return Tables(
        overview(board, columns),
        accuracy,
        _paired(board, digits),
        cost_lines(costs(board)),
        _over_seeds(board, digits),
        across(found) if found else None,
        _wider(board, digits),
        _beyond(board),
        _reported(board, digits),
    )


def _paired(board: Board, digits: int) -> dict[str, TextTable]:
    """Build the tables of paired differences, for tracks that have one."""
    found = versus(board)
    compared = {track for one in found for track in one.differences}
    drawings = {}
    for section, tracks in board.sections.items():
        if shared := [t for t in tracks if t.name in compared]:
            titles = ("Pair", *map(_heading, shared))
            drawings[section] = TextTable(titles, differences(found, [t.name for t in shared], digits))
    return drawings


def _over_seeds(board: Board, digits: int) -> dict[str, TextTable]:
    """Build the tables of intervals over episodes and seeds, for rows that have one."""
    drawings = {}
    for section, tracks in board.sections.items():
        known = [
            (row, [cell.over_seeds if (cell := row.cells.get(t.name)) else None for t in tracks])
            for row in (*board.rows, *board.controls)
        ]
        lines = tuple(
            (TextCell(one_line(row.label)), *(TextCell(percent(one, digits) if one else MISSING) for one in intervals))
            for row, intervals in known
            if any(intervals)
        )
        if lines:
            drawings[section] = TextTable(("Row", *map(_heading, tracks)), lines)
    return drawings


def _wider(board: Board, digits: int) -> dict[str, TextTable]:
    """Build the tables of half-widths, from narrow to wide, for rows that have more than one."""
    drawings = {}
    for section, tracks in board.sections.items():
        known = [(row, [half_widths(row, t.name) for t in tracks]) for row in (*board.rows, *board.controls)]
        lines = tuple(
            (TextCell(one_line(row.label)), *(TextCell(_widths(found, digits)) for found in widths))
            for row, widths in known
            if any(len(found) > 1 for found in widths)
        )
        if lines:
            drawings[section] = TextTable(("Row", *map(_heading, tracks)), lines)
    return drawings


def _widths(found: Mapping[str, float], digits: int) -> str:
    return " / ".join(f"{100 * found[c]:.{digits}f}" if c in found else MISSING for c in WIDER) if found else MISSING


def _beyond(board: Board) -> TextTable:
    """Build the table of secondary metrics without empty columns."""
    found = beyond(board)
    columns = {
        "Worst\ntenth": [f"{100 * one.worst_tenth:.1f}" for one in found],
        "Easiest\ntenth": [_share(one.easiest_tenth) for one in found],
        "Hardest\ntenth": [_share(one.hardest_tenth) for one in found],
        "ECE ↓": [_score(one.ece) for one in found],
        "Brier ↓": [_score(one.brier) for one in found],
    }
    kept = {title: values for title, values in columns.items() if any(value != MISSING for value in values)}
    labels = [one_line(one.label) for one in found]
    return TextTable(
        ("Row", *kept), tuple(tuple(map(TextCell, line)) for line in zip(labels, *kept.values(), strict=True))
    )


def _share(value: float | None) -> str:
    return MISSING if value is None else f"{100 * value:.1f}"


def _score(value: float | None) -> str:
    return MISSING if value is None else f"{value:.3f}"


def _reported(board: Board, digits: int) -> dict[str, TextTable]:
    return {
        table.section: TextTable(
            ("Method", *map(_heading, table.tracks), "Source"),
            tuple(
                (
                    TextCell(one_line(row.method)),
                    *(published_words(row.cells.get(t.name), digits) for t in table.tracks),
                    TextCell(one_line(row.source)),
                )
                for row in table.rows
            ),
        )
        for table in published_tables(board)
    }


def _heading(track: TrackColumn) -> str:
    return "\n".join(one_line(part) for part in track.title if part)
