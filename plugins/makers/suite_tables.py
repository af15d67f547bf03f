"""Fill the tables of a page with the mean accuracies of chosen rows of a suite, compared with the first of them.

A table stands between two marks, which name the suite. Its rows select rows of the suite's board, as in `paper_tables`,
and describe them:

    <!-- means champion: begin -->
    | `pool-lda scale=1.5 shrinkage=60.0` | all parts |
    | `pool-lda scale=0.0` | no pool |
    <!-- means champion: end -->
"""

from __future__ import annotations

import re
from collections.abc import Callable

from freeshot.leaderboard.board import Board
from makers.component_page import signed, verdicts
from makers.paper_tables import selected
from makers.readme_table import groups, mean_accuracy

BLOCK = re.compile(r"(<!-- means (\S+): begin -->\n)(.*?)(<!-- means \2: end -->)", re.DOTALL)
ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \|.*$", re.MULTILINE)
VERDICTS = ("better", "equal", "undecided", "worse")


def with_suite_tables(text: str, board_of: Callable[[str], Board]) -> str:
    """Return the page with its tables of means filled; KeyError for a row that a board does not have."""
    return BLOCK.sub(lambda block: f"{block[1]}{_table(block[3], board_of(block[2]))}\n{block[4]}", text)


def _table(block: str, board: Board) -> str:
    header = ["row", "", *(f"{section} {shot}-shot" for section, shot in groups(board)), "to the first", *VERDICTS]
    lines = [f"| {' | '.join(header)} |", "|---|---|" + "---:|" * (len(header) - 2)]
    track = board.tracks[0].name
    chosen = [(selector, about.strip(), selected(board, selector, track)) for selector, about in ROW.findall(block)]
    (_, _, first) = chosen[0]
    for selector, about, row in chosen:
        means = [f"{100 * mean_accuracy(board, row, section, shot):.1f}" for section, shot in groups(board)]
        difference, wins = verdicts(row, first)
        compared = ["–"] * 5 if row is first else [signed(difference), *(str(wins[name]) for name in VERDICTS)]
        lines.append(f"| {' | '.join([f'`{selector}`', about, *means, *compared])} |")
    return "\n".join(lines)
