"""Leaderboards as Markdown; the same records give the same text on every machine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from freeshot.leaderboard.board import Board
from freeshot.render.format import Footnotes, TextCell, TextTable, explanation, made_with, one_line, title
from freeshot.render.tables import REPORTED, REPORTED_CAUTION, build_tables

GENERATED = "<!-- Written by `freeshot leaderboard --write` from the records; edit those, not this. -->"
REGENERATE = "Regenerate with `freeshot leaderboard --write`."

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~&$])")
_FOLDERS = re.compile(r"(?<![\w./:])(?:[A-Za-z]:\\|/)(?:[^\s/\\'\"]+[/\\])+")


def markdown(boards: Iterable[Board]) -> str:
    """Render boards as one Markdown page."""
    notes = Footnotes()
    blocks = [block for board in boards for block in _board(board, notes)] or ["There are no records yet."]
    footnotes = [f"[^{number}]: {_sentence(text)}" for text, number in notes.texts.items()]
    return "\n\n".join([GENERATED, "# Leaderboard", *blocks, *footnotes, REGENERATE]) + "\n"


def escape(text: str) -> str:
    """Escape third-party text: no markup, no HTML, no table cells."""
    return _SPECIAL.sub(r"\\\1", one_line(text))


def _board(board: Board, notes: Footnotes) -> list[str]:
    board = board.with_short_labels()
    tables = build_tables(board, notes, digits=2)
    blocks = [f"## {escape(title(board))}"]
    for section, table in tables.accuracy.items():
        blocks += [f"### {escape(section)}", *_with_tags(table, tables.overview)]
    if lines := (*tables.overview.lines, *tables.overview.controls):
        blocks += ["### Overview", _table(tables.overview.titles, lines)]
    if rows := made_with(board):
        blocks.append("\n".join(f"- {escape(label)}: {escape(parts)}" for label, parts in rows))
    if tables.across:
        blocks += ["### Across tracks", _table(tables.across.table.titles, tables.across.table.lines)]
        blocks += map(escape, tables.across.sentences)
    for titled in tables.further:
        section = f", {escape(titled.section)}" if titled.section else ""
        blocks += [f"### {titled.heading}{section}", _table(titled.table.titles, titled.table.lines)]
    if tables.reported:
        blocks += [f"### {REPORTED}", REPORTED_CAUTION]
    for section, table in tables.reported.items():
        blocks += [f"{escape(section)}:", _table(table.titles, table.lines)]
    if board.problems:
        blocks += ["### Problems", "\n".join(f"- {_sentence(problem)}" for problem in board.problems)]
    return [*blocks, *map(escape, explanation(board))]


def _with_tags(table: TextTable, overview: TextTable) -> list[str]:
    """Add the data-free and tuning tags after each label; controls form a separate table."""
    tags = {line[0].text: line[1:3] for line in (*overview.lines, *overview.controls)}
    titles = (table.titles[0], *overview.titles[1:3], *table.titles[1:])
    rows, controls = (
        [(line[0], *tags[line[0].text], *line[1:]) for line in lines] for lines in (table.lines, table.controls)
    )
    blocks = [_table(titles, rows)] if rows else []
    return [*blocks, "Controls:", _table(titles, controls)] if controls else blocks


def _table(titles: Sequence[str], lines: Sequence[Sequence[TextCell]]) -> str:
    rule = ["---", *("---:" for _ in titles[1:])]
    rows = [[*map(escape, titles)], rule, *([*map(_cell, line)] for line in lines)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _cell(cell: TextCell) -> str:
    text = escape(cell.text)
    return (f"**{text}**" if cell.bold else text) + "".join(f"[^{number}]" for number in cell.notes)


def _sentence(text: str) -> str:
    """Shorten absolute paths to their last part, because folders of a machine are private."""
    return escape(_FOLDERS.sub("…/", text))
