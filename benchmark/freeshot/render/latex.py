"""Leaderboards as LaTeX for papers: booktabs tables, best rows bold, controls below a rule."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from freeshot.leaderboard.board import Board
from freeshot.render.format import Footnotes, TextCell, TextTable, explanation, one_line, title
from freeshot.render.tables import REPORTED, REPORTED_CAUTION, build_tables

HEAD = "% Written by `freeshot leaderboard --format latex` from the records; needs \\usepackage{booktabs}."
_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "−": r"$-$", "–": "--", "…": r"\dots{}",
}  # fmt: skip
_SPECIAL = re.compile("|".join(map(re.escape, _ESCAPES)))


def latex(boards: Iterable[Board]) -> str:
    """Render the accuracy tables of boards, with notes in the captions, the standings and the reported numbers."""
    blocks = [HEAD]
    for board in map(Board.with_short_labels, boards):
        notes = Footnotes()
        tables = build_tables(board, notes, digits=1)
        for section, table in tables.accuracy.items():
            blocks.append(_table(table, f"{title(board)}: {section}. {explanation(board)[0]}", notes))
        if tables.across:
            sentences = " ".join(tables.across.sentences)
            blocks.append(_table(tables.across.table, f"{title(board)}: across tracks. {sentences}", Footnotes()))
        for section, table in tables.reported.items():
            blocks.append(_table(table, f"{title(board)}: {section}. {REPORTED}. {REPORTED_CAUTION}", Footnotes()))
    return "\n\n".join(blocks) + "\n"


def escape(text: str) -> str:
    """Escape third-party text for LaTeX."""
    return _SPECIAL.sub(lambda match: _ESCAPES[match[0]], one_line(text))


def _table(table: TextTable, caption: str, notes: Footnotes) -> str:
    sentences = " ".join(f"[{number}] {text}" for text, number in notes.texts.items())
    heads = [" ".join(head.split("\n")) for head in table.titles]
    body = [_row(line) for line in table.lines]
    if table.controls:
        body += [r"\midrule", *map(_row, table.controls)]
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{escape(caption)}{' ' + escape(sentences) if sentences else ''}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}",
            r"\toprule",
            " & ".join(map(escape, heads)) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def _row(line: Sequence[TextCell]) -> str:
    text = " & ".join(map(_cell, line))
    guard = "{}" if text.startswith(("[", "*")) else ""  # else parsed as an argument of the preceding \\
    return guard + text + r" \\"


def _cell(cell: TextCell) -> str:
    text = escape(cell.text)
    notes = "".join(rf"\textsuperscript{{{number}}}" for number in cell.notes)
    return (rf"\textbf{{{text}}}" if cell.bold else text) + notes
