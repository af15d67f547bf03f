"""Leaderboards as Markdown; the same records give the same text on every machine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from freeshot.contracts.leaderboard import Column
from freeshot.leaderboard.board import Board
from freeshot.leaderboard.published import CAUTION, HEADING
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

GENERATED = "<!-- Written by `freeshot leaderboard --write` from the records; edit those, not this. -->"
REGENERATE = "Regenerate with `freeshot leaderboard --write`."

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~&$])")
_FOLDERS = re.compile(r"(?<![\w./:])(?:[A-Za-z]:\\|/)(?:[^\s/\\'\"]+[/\\])+")


def markdown(boards: Iterable[Board], columns: Sequence[Column] = ()) -> str:
    """Render boards as one Markdown page."""
    notes = Footnotes()
    blocks = [GENERATED, "# Leaderboard"]
    found = list(boards)
    for board in found:
        blocks += _board(board, columns, notes)
    if not found:
        blocks.append("There are no records yet.")
    blocks += [f"[^{number}]: {_sentence(text)}" for text, number in notes.texts.items()]
    return "\n\n".join([*blocks, REGENERATE]) + "\n"


def escape(text: str) -> str:
    """Escape third-party text: no markup, no HTML, no table cells."""
    return _SPECIAL.sub(r"\\\1", one_line(text))


def _board(board: Board, columns: Sequence[Column], notes: Footnotes) -> list[str]:
    board = with_short_labels(board)
    tables = draw(board, columns, notes, digits=2)
    blocks = [f"## {escape(title(board))}"]
    for section, drawing in tables.accuracy.items():
        blocks += [f"### {escape(section)}", *_with_tags(drawing, tables.overview)]
    if lines := (*tables.overview.lines, *tables.overview.controls):
        blocks += ["### Overview", _table(tables.overview, lines)]
    if rows := made_with(board):
        blocks.append("\n".join(f"- {escape(label)}: {escape(parts)}" for label, parts in rows))
    if tables.across:
        blocks += ["### Across tracks", _table(tables.across.table, tables.across.table.lines)]
        blocks += map(escape, tables.across.sentences)
    for section, drawing in tables.paired.items():
        blocks += [f"### Paired differences (points), {escape(section)}", _table(drawing, drawing.lines)]
    for section, drawing in tables.seeds.items():
        blocks += [f"### Over episodes and training seeds, {escape(section)}", _table(drawing, drawing.lines)]
    for section, drawing in tables.wider.items():
        blocks += [f"### {WIDER_HEADING}, {escape(section)}", _table(drawing, drawing.lines)]
    if tables.beyond.lines:
        blocks += [f"### {BEYOND_HEADING}", _table(tables.beyond, tables.beyond.lines)]
    if tables.costs.lines:
        blocks += ["### Costs of one track", _table(tables.costs, tables.costs.lines)]
    if tables.reported:
        blocks += [f"### {HEADING}", CAUTION]
    for section, drawing in tables.reported.items():
        blocks += [f"{escape(section)}:", _table(drawing, drawing.lines)]
    if board.problems:
        blocks += ["### Problems", "\n".join(f"- {_sentence(problem)}" for problem in board.problems)]
    return [*blocks, *map(escape, explanation(board))]


def _with_tags(drawing: TextTable, overview: TextTable) -> list[str]:
    """Add the data-free and tuning tags after each label; controls form a separate table."""
    tags = {line[0].text: line[1:3] for line in (*overview.lines, *overview.controls)}
    titles = (drawing.titles[0], *overview.titles[1:3], *drawing.titles[1:])

    def table(lines: Sequence[tuple[TextCell, ...]]) -> str:
        tagged = tuple((line[0], *tags[line[0].text], *line[1:]) for line in lines)
        return _table(TextTable(titles, tagged), tagged)

    blocks = [table(drawing.lines)] if drawing.lines else []
    if drawing.controls:
        blocks += ["Controls:", table(drawing.controls)]
    return blocks


def _table(drawing: TextTable, lines: Sequence[tuple[TextCell, ...]]) -> str:
    heads = [escape(head) for head in drawing.titles]
    rule = ["---", *("---:" for _ in heads[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [heads, rule, *([*map(_words, line)] for line in lines)])


def _words(words: TextCell) -> str:
    text = escape(words.text)
    return (f"**{text}**" if words.bold else text) + "".join(f"[^{number}]" for number in words.notes)


def _sentence(text: str) -> str:
    """Shorten absolute paths to their last part, because folders of a machine are private."""
    return escape(_FOLDERS.sub("…/", text))
