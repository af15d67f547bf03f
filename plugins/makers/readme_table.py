"""Refresh the short leaderboard of a page: the page chooses the rows, the records give the numbers.

The table is between two marks, and its rows begin with a method's name in backticks. The columns after the first are
replaced by tags and mean accuracies over the tracks of each section and shot.

`python -m makers.readme_table README.md results/pocket`
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from freeshot.basics.files import write_text
from freeshot.leaderboard.board import Board, boards
from freeshot.leaderboard.entry import Entry
from freeshot.records.load import load_records
from freeshot.render.format import access, at_test

BEGIN, END = "<!-- leaderboard: begin -->", "<!-- leaderboard: end -->"
CHOSEN = re.compile(r"^(\| \[?`([a-z0-9-]+)`[^|]*\|).*$", re.MULTILINE)
"""A row of the table: its first column, which holds the label of a row of the board."""


def with_numbers(document: str, board: Board) -> str:
    """Return the document with the table between its marks refreshed from a board.

    KeyError for a row that the board does not have.
    """
    before, _, rest = document.partition(BEGIN)
    table, _, after = rest.partition(END)
    rows = {row.label: row for row in board.all_rows}
    first = [(match[1], rows[match[2]]) for match in CHOSEN.finditer(table)]
    header = ["Method", "Data", "At test", *(f"{section} {shot}-shot" for section, shot in groups(board))]
    lines = [f"| {' | '.join(header)} |", f"|---|---|---|{'---:|' * len(groups(board))}"]
    for column, row in first:
        means = [f"{100 * mean_accuracy(board, row, section, shot):.1f}" for section, shot in groups(board)]
        lines.append(f"{column} {' | '.join([access(row.tags), at_test(row.tags), *means])} |")
    body = "\n".join(lines)
    return f"{before}{BEGIN}\n{body}\n{END}{after}"


def groups(board: Board) -> list[tuple[str, int]]:
    """List the sections of a board with each of their numbers of examples per class."""
    return [(section, shot) for section, tracks in board.sections.items() for shot in sorted({t.shot for t in tracks})]


def mean_accuracy(board: Board, row: Entry, section: str, shot: int) -> float:
    """Average a row's accuracy over the tracks of a section with this many examples per class."""
    names = [track.name for track in board.sections[section] if track.shot == shot]
    mean = row.mean(names)
    if mean is None:
        raise KeyError(f"{row.label} has no number on some track of {section}, {shot}-shot")
    return mean


def main(document: Path, results: Path) -> None:
    """Rewrite a document in place."""
    (board,) = boards(load_records(results).records)
    write_text(document, with_numbers(document.read_text(encoding="utf-8"), board))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
