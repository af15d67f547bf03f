"""Leaderboards in the terminal, fitted to its width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from freeshot.leaderboard.board import Board
from freeshot.render.format import Footnotes, TextCell, TextTable, explanation, made_with, one_line, title
from freeshot.render.tables import REPORTED, build_tables

LABEL = 36
"""Maximum width of a label in characters before it is folded."""


def print_boards(boards: Iterable[Board], console: Console) -> None:
    """Print boards; all text is printed as Text, so that texts in records are not parsed as markup."""
    every = list(boards)
    if not every:
        console.print(Text("There are no records yet. Make some with 'freeshot run'."))
    for board in every:
        _print_board(board.with_short_labels(), console)


def _print_board(board: Board, console: Console) -> None:
    notes = Footnotes()
    tables = build_tables(board, notes, digits=1)
    name = title(board)
    if not board.records:
        console.print(Text(name, style="bold"))
    for section, table in tables.accuracy.items():
        _print_table(f"{name}: {section}", table, console)
    if tables.overview.lines or tables.overview.controls:
        _print_table(f"{name}: overview", tables.overview, console)
    if tables.across:
        _print_table(f"{name}: across tracks", tables.across.table, console)
        for sentence in tables.across.sentences:
            console.print(Text(sentence))
        console.print()
    for titled in tables.further:
        section = f": {titled.section}" if titled.section else ""
        _print_table(titled.heading + section, titled.table, console)
    for section, table in tables.reported.items():
        _print_table(f"{REPORTED}: {section}", table, console)
    for label, parts in made_with(board):
        console.print(Text(f"{label}: {parts}"))
    for text, number in notes.texts.items():
        console.print(Text(f"[{number}] {text}"))
    for problem in board.problems:
        console.print(Text(one_line(problem), style="yellow"))
    for sentence in explanation(board):
        console.print(Text(sentence, style="dim"))


def _print_table(heading: str, table: TextTable, console: Console) -> None:
    """Print a table, split by columns to fit the width; each piece repeats the labels."""
    lines = (*table.lines, *table.controls)
    label = min(LABEL, max(len(line[0].text) for line in lines) if lines else 0)
    for columns in _pieces(table, lines, console.width - label - 3):
        piece = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        piece.add_column(Text(table.titles[0]), max_width=LABEL, overflow="fold")
        for title_ in table.titles[columns]:
            piece.add_column(Text(title_), justify="right", overflow="fold")
        for line in table.lines:
            piece.add_row(*map(_text, (line[0], *line[columns])))
        if table.lines and table.controls:
            piece.add_section()
        for line in table.controls:
            piece.add_row(*(_text(cell, style="dim") for cell in (line[0], *line[columns])))
        console.print(Text(one_line(heading), style="bold"), piece, Text(), sep="\n")


def _pieces(table: TextTable, lines: Sequence[tuple[TextCell, ...]], room: int) -> list[slice]:
    """Split the columns after the label into ranges that fit the width, with at least one column each."""
    pieces: list[slice] = []
    start, used = 1, 0
    for column in range(1, len(table.titles)):
        texts = [*table.titles[column].split("\n"), *(_text(line[column]).plain for line in lines)]
        width = max(map(len, texts)) + 3  # padding and the gap between columns
        if column > start and used + width > room:
            pieces.append(slice(start, column))
            start, used = column, 0
        used += width
    return [*pieces, slice(start, len(table.titles))]


def _text(cell: TextCell, style: str = "") -> Text:
    notes = "".join(f" [{number}]" for number in cell.notes)
    return Text(cell.text + notes, style="bold" if cell.bold else style)
