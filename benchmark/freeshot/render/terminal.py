"""Leaderboards in the terminal, fitted to its width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from freeshot.contracts.leaderboard import Column
from freeshot.leaderboard.board import Board
from freeshot.leaderboard.published import HEADING
from freeshot.leaderboard.short_labels import with_short_labels
from freeshot.render.format import (
    BEYOND_HEADING,
    WIDER_HEADING,
    Footnotes,
    TextCell,
    TextTable,
    explanation,
    made_with,
    one_line,
    title,
)
from freeshot.render.tables import draw

if TYPE_CHECKING:
    from rich.console import Console

LABEL = 36
"""Maximum width of a label in characters before it is folded."""


def print_boards(boards: Iterable[Board], console: Console, columns: Sequence[Column] = ()) -> None:
    """Print boards; all text is printed as Text, so that texts in records are not parsed as markup."""
    found = list(boards)
    if not found:
        console.print(Text("There are no records yet. Make some with 'freeshot run'."))
    for board in found:
        _print_board(board, console, columns)


def _print_board(board: Board, console: Console, columns: Sequence[Column]) -> None:
    notes = Footnotes()
    board = with_short_labels(board)
    tables = draw(board, columns, notes, digits=1)
    name = title(board)
    if not board.records:
        console.print(Text(name, style="bold"))
    for section, drawing in tables.accuracy.items():
        _print_table(f"{name}: {section}", drawing, console)
    if tables.overview.lines or tables.overview.controls:
        _print_table(f"{name}: overview", tables.overview, console)
    if tables.across:
        _print_table(f"{name}: across tracks", tables.across.table, console)
        for sentence in tables.across.sentences:
            console.print(Text(sentence))
        console.print()
    for section, drawing in tables.paired.items():
        _print_table(f"Paired differences (points): {section}", drawing, console)
    for section, drawing in tables.seeds.items():
        _print_table(f"Over episodes and training seeds: {section}", drawing, console)
    for section, drawing in tables.wider.items():
        _print_table(f"{WIDER_HEADING}: {section}", drawing, console)
    if tables.beyond.lines:
        _print_table(BEYOND_HEADING, tables.beyond, console)
    if tables.costs.lines:
        _print_table("Costs of one track", tables.costs, console)
    for section, drawing in tables.reported.items():
        _print_table(f"{HEADING}: {section}", drawing, console)
    for label, parts in made_with(board):
        console.print(Text(f"{label}: {parts}"))
    for text, number in notes.texts.items():
        console.print(Text(f"[{number}] {text}"))
    for problem in board.problems:
        console.print(Text(one_line(problem), style="yellow"))
    for sentence in explanation(board):
        console.print(Text(sentence, style="dim"))


def _print_table(heading: str, drawing: TextTable, console: Console) -> None:
    """Print a table, split by columns to fit the width; each piece repeats the labels."""
    lines = (*drawing.lines, *drawing.controls)
    label = min(LABEL, max(len(line[0].text) for line in lines) if lines else 0)
    for first, last in _pieces(drawing, lines, console.width - label - 3):
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        table.add_column(Text(drawing.titles[0]), max_width=LABEL, overflow="fold")
        for head in drawing.titles[first:last]:
            table.add_column(Text(head), justify="right", overflow="fold")
        for line in drawing.lines:
            table.add_row(*map(_text, (line[0], *line[first:last])))
        if drawing.lines and drawing.controls:
            table.add_section()
        for line in drawing.controls:
            table.add_row(*(_text(words, style="dim") for words in (line[0], *line[first:last])))
        console.print(Text(one_line(heading), style="bold"), table, Text(), sep="\n")


def _pieces(drawing: TextTable, lines: Sequence[tuple[TextCell, ...]], room: int) -> list[tuple[int, int]]:
    """Split the columns after the label into ranges that fit the width, with at least one column each."""
    pieces: list[tuple[int, int]] = []
    start, used = 1, 0
    for place in range(1, len(drawing.titles)):
        texts = [*drawing.titles[place].split("\n"), *(_text(line[place]).plain for line in lines)]
        need = max(map(len, texts)) + 3  # padding and the gap between columns
        if place > start and used + need > room:
            pieces.append((start, place))
            start, used = place, 0
        used += need
    return [*pieces, (start, len(drawing.titles))]


def _text(words: TextCell, style: str = "") -> Text:
    notes = "".join(f" [{number}]" for number in words.notes)
    return Text(words.text + notes, style="bold" if words.bold else style)
