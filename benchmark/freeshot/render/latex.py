"""Leaderboards as LaTeX for papers: booktabs tables, best rows bold, controls below a rule."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from freeshot.contracts.leaderboard import Column
from freeshot.leaderboard.board import Board
from freeshot.leaderboard.published import CAUTION, HEADING
from freeshot.leaderboard.short_labels import with_short_labels
from freeshot.render.format import Footnotes, TextCell, TextTable, explanation, one_line, title
from freeshot.render.tables import draw

HEAD = "% Written by `freeshot leaderboard --format latex` from the records; needs \\usepackage{booktabs}."
_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "−": r"$-$", "–": "--", "…": r"\dots{}",
}  # fmt: skip
_SPECIAL = re.compile("|".join(map(re.escape, _ESCAPES)))


def latex(boards: Iterable[Board], columns: Sequence[Column] = ()) -> str:
    """Render the accuracy tables of boards, with notes in the captions, the standings and the reported numbers."""
    blocks = [HEAD]
    for board in map(with_short_labels, boards):
        notes = Footnotes()
        tables = draw(board, columns, notes, digits=1)
        for section, drawing in tables.accuracy.items():
            blocks.append(_table(drawing, f"{title(board)}: {section}. {explanation(board)[0]}", notes))
        if tables.across:
            said = " ".join(tables.across.sentences)
            blocks.append(_table(tables.across.table, f"{title(board)}: across tracks. {said}", Footnotes()))
        for section, drawing in tables.reported.items():
            blocks.append(_table(drawing, f"{title(board)}: {section}. {HEADING}. {CAUTION}", Footnotes()))
    return "\n\n".join(blocks) + "\n"


def escape(text: str) -> str:
    """Escape third-party text for LaTeX."""
    return _SPECIAL.sub(lambda found: _ESCAPES[found[0]], one_line(text))


def _table(drawing: TextTable, caption: str, notes: Footnotes) -> str:
    sentences = " ".join(f"[{number}] {text}" for text, number in notes.texts.items())
    heads = [" ".join(head.split("\n")) for head in drawing.titles]
    body = [_row(line) for line in drawing.lines]
    if drawing.controls:
        body += [r"\midrule", *map(_row, drawing.controls)]
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
    text = " & ".join(map(_words, line))
    guard = "{}" if text.startswith(("[", "*")) else ""  # else parsed as an argument of the preceding \\
    return guard + text + r" \\"


def _words(words: TextCell) -> str:
    text = escape(words.text)
    notes = "".join(rf"\textsuperscript{{{number}}}" for number in words.notes)
    return (rf"\textbf{{{text}}}" if words.bold else text) + notes
