"""`freeshot compare`: paired comparison of two rows of a leaderboard, from their records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click
from rich.console import Console

from freeshot.basics.text import one_line
from freeshot.cli import options
from freeshot.cli.console import print_warning, stdout, table

if TYPE_CHECKING:
    from freeshot.leaderboard.compare import Comparison


@click.command("compare")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@options.results_argument
@options.suite(help="Suite to compare on; required if several suites have both rows.")
@options.tracks(help="Compare on tracks that match this pattern, e.g. '*/5w1s'. Repeatable.")
@options.margin(zero=True)
def command(first: str, second: str, results: Path, suite: str | None, tracks: tuple[str, ...], margin: float) -> None:
    """Compare two rows of a leaderboard, episode by episode.

    A and B are row labels or method names; DIR has the records.
    """
    from freeshot.leaderboard import boards
    from freeshot.leaderboard.compare import board_with_both, compare
    from freeshot.records.load import load_records

    loaded = load_records(results)
    for problem in loaded.problems:
        print_warning(str(problem))
    every = boards(loaded.records)
    if not every:
        raise options.no_records(results)
    board = board_with_both(every, (first, second), suite)
    for problem in board.problems:
        print_warning(problem)
    comparison = compare(board, first, second, tracks or ("*",), margin / 100)
    print_comparison(stdout(), comparison)
    for caution in comparison.cautions:
        print_warning(caution)


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Print the table of a comparison, and the sentences below it."""
    from freeshot.render.comparison import comparison_heads, comparison_rows, comparison_summary

    console.print(one_line(f"A: {comparison.first.label}"), soft_wrap=True)
    console.print(one_line(f"B: {comparison.second.label}"), soft_wrap=True)
    table(comparison_rows(comparison), heads=comparison_heads(comparison), console=console)
    for sentence in comparison_summary(comparison):
        console.print(sentence, soft_wrap=True)
