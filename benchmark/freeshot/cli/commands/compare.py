"""`freeshot compare`: paired comparison of two rows of a leaderboard, from their records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from freeshot.basics.errors import UnknownNameError
from freeshot.basics.text import one_line
from freeshot.cli import options
from freeshot.cli.console import p_value, print_warning, stdout, table

if TYPE_CHECKING:
    from freeshot.leaderboard import Board
    from freeshot.leaderboard.compare import Comparison
    from freeshot.leaderboard.pairwise import Pair
    from freeshot.stats.intervals import Interval

HEADS = ("track", "A", "B", "A − B", "BCa", "p (Holm)", "Wilcoxon", "d_z", "A wins", "verdict")


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
    from freeshot.leaderboard.compare import compare
    from freeshot.records.load import load_records

    loaded = load_records(results)
    for problem in loaded.problems:
        print_warning(str(problem))
    board = _board(boards(loaded.records), suite, (first, second), results)
    for problem in board.problems:
        print_warning(problem)
    _print(compare(board, first, second, tracks or ("*",), margin / 100))


def _board(every: tuple[Board, ...], suite: str | None, rows: tuple[str, str], results: Path) -> Board:
    """Return the newest board that has both rows; UnknownNameError if there is none, or several suites have both."""
    from freeshot.leaderboard.selection import boards_of_suite

    if not every:
        raise options.no_records(results)
    candidates = boards_of_suite(every, suite)
    if suite is not None:
        candidates = [max(candidates, key=lambda board: board.version)]
    matching = _with_both(candidates, rows)
    if not matching:
        _require_known(candidates, rows, suite)
        suites = ", ".join(sorted({board.suite for board in every}))
        raise UnknownNameError(f"No suite in {results} has both rows. Suites with records: {suites}.")
    if len({board.suite for board in matching}) > 1:
        raise UnknownNameError(f"Several suites have both rows: {', '.join(b.suite for b in matching)}. Use --suite.")
    return max(matching, key=lambda board: board.version)


def _with_both(candidates: list[Board], rows: tuple[str, str]) -> list[Board]:
    """Return the boards that have both names as labels, or else those that have them as methods or short labels."""
    from freeshot.leaderboard.selection import row_names

    names = set(rows)
    exactly = [board for board in candidates if names <= {row.label for row in board.all_rows}]
    return exactly or [board for board in candidates if names <= row_names(board)]


def _require_known(candidates: list[Board], rows: tuple[str, str], suite: str | None) -> None:
    """Raise UnknownNameError for the first name that no board has."""
    from freeshot.leaderboard.selection import row_names, unknown_row

    known = {name for board in candidates for name in row_names(board)}
    for name in rows:
        if name not in known:
            raise unknown_row(candidates, name, suite)


def _print(comparison: Comparison) -> None:
    console = stdout()
    seeds = any(t.over_seeds for t in comparison.tracks)
    heads = (*HEADS[:5], "over seeds", *HEADS[5:]) if seeds else HEADS
    console.print(one_line(f"A: {comparison.first.label}"), soft_wrap=True)
    console.print(one_line(f"B: {comparison.second.label}"), soft_wrap=True)
    table([_line(t, comparison, seeds=seeds) for t in comparison.tracks], heads=heads)
    for sentence in _summary(comparison, seeds=seeds):
        console.print(sentence, soft_wrap=True)
    for caution in comparison.cautions:
        print_warning(caution)


def _line(t: Pair, comparison: Comparison, *, seeds: bool) -> tuple[str, ...]:
    return (
        t.track,
        *(f"{100 * row.averages[t.track].mean():.2f}" for row in (comparison.first, comparison.second)),
        _around(t.evidence.interval),
        f"{100 * t.evidence.bca.low:+.2f} … {100 * t.evidence.bca.high:+.2f}",
        *([_around(t.over_seeds) if t.over_seeds else "–"] if seeds else []),
        p_value(t.holm),
        p_value(t.evidence.wilcoxon),
        f"{t.evidence.effect:+.2f}",
        f"{100 * t.evidence.superiority:.0f} %",
        t.verdict,
    )


def _summary(comparison: Comparison, *, seeds: bool) -> Sequence[str]:
    counted = ", ".join(f"{count} {name}" for name, count in comparison.wins.items() if count)
    sentences = [
        (
            f"Over {len(comparison.tracks)} tracks: {counted}; "
            f"mean difference {100 * comparison.mean_difference:+.2f}, "
            f"interquartile mean {100 * comparison.interquartile_difference:+.2f}; "
            f"p over tracks {p_value(comparison.across_tracks)}."
        ),
        (
            "Differences in accuracy points with 95 % intervals over shared episodes; p from sign-flip tests, "
            f"adjusted for the number of tracks. Equal: within ±{100 * comparison.equivalent:g} points."
        ),
    ]
    if seeds:
        sentences.append(
            "'over seeds' covers training seeds and episodes, paired by seed; where it is given, the verdict uses it "
            "and is about the methods."
        )
    return sentences


def _around(interval: Interval) -> str:
    return f"{100 * interval.mean:+.2f} ± {100 * interval.half_width:.2f}"
