"""`freeshot compare`: two rows of a leaderboard against each other, from their records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from freeshot.basics.text import one_line
from freeshot.cli.console import p_value, stdout, table, tell_warning

if TYPE_CHECKING:
    from freeshot.basics.statistics import Interval
    from freeshot.report import Board
    from freeshot.report.compare import Comparison

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command("compare")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--suite", metavar="NAME", help="Whose leaderboard; needed where both rows stand on several.")
@click.option("--track", "tracks", multiple=True, metavar="PATTERN", help="Tracks, such as '*/5w1s'; repeatable.")
@click.option(
    "--equivalent", type=click.FloatRange(min=0), default=0.5, help="Points within which two rows count as equal."
)
@click.option("--results", type=FOLDER, default=Path("results"), help="Where records are.")
def command(
    first: str, second: str, suite: str | None, tracks: tuple[str, ...], equivalent: float, results: Path
) -> None:
    """Say whether row A is better than row B, episode by episode; rows are named by label, or by method."""
    from freeshot.report import boards, load_records
    from freeshot.report.compare import compare

    loaded = load_records(results)
    for problem in loaded.problems:
        tell_warning(str(problem))
    board = _board(boards(loaded.records), suite, (first, second), results)
    for problem in board.problems:
        tell_warning(problem)
    _print(compare(board, first, second, tracks or ("*",), equivalent / 100))


def _board(found: tuple[Board, ...], suite: str | None, rows: tuple[str, str], results: Path) -> Board:
    from freeshot.basics.errors import StoreError, UnknownNameError
    from freeshot.report.naming import of_suite

    if not found:
        raise StoreError(f"There is no record under {results}. Run something first with 'freeshot run'.")
    here = of_suite(found, suite)
    if suite is not None:
        here = [max(here, key=lambda board: board.version)]
    fitting = _fitting(here, rows)
    if not fitting:
        _require_known(here, rows, suite)
        known = ", ".join(sorted({board.suite for board in found}))
        raise UnknownNameError(f"No leaderboard under {results} has both rows. There are: {known}.")
    if len({board.suite for board in fitting}) > 1:
        raise UnknownNameError(f"Both rows stand on {', '.join(b.suite for b in fitting)}. Choose one with --suite.")
    return max(fitting, key=lambda board: board.version)


def _fitting(found: list[Board], rows: tuple[str, str]) -> list[Board]:
    """Return the boards on which both names are labels, or else those on which they are methods or short labels."""
    from freeshot.report.naming import all_rows, names_on

    wanted = set(rows)
    exactly = [board for board in found if wanted <= {row.label for row in all_rows(board)}]
    return exactly or [board for board in found if wanted <= names_on(board)]


def _require_known(found: list[Board], rows: tuple[str, str], suite: str | None) -> None:
    """Raise for the first name that means nothing on any of the boards."""
    from freeshot.report.naming import names_on, unknown_row

    known = {name for board in found for name in names_on(board)}
    for name in rows:
        if name not in known:
            raise unknown_row(found, name, suite)


def _print(comparison: Comparison) -> None:
    console = stdout()
    seeds = any(t.over_seeds for t in comparison.tracks)
    lines = [
        (
            t.track,
            f"{100 * t.first:.2f}",
            f"{100 * t.second:.2f}",
            _around(t.evidence.interval),
            _range(t.evidence.bca),
            *([_around(t.over_seeds) if t.over_seeds else "–"] if seeds else []),
            p_value(t.holm),
            p_value(t.evidence.wilcoxon),
            f"{t.evidence.effect:+.2f}",
            f"{100 * t.evidence.superiority:.0f} %",
            t.verdict,
        )
        for t in comparison.tracks
    ]
    wider = ("over seeds",) if seeds else ()
    heads = ("track", "A", "B", "A − B", "BCa", *wider, "p (Holm)", "Wilcoxon", "d_z", "A wins", "verdict")
    console.print(one_line(f"A: {comparison.first}"), soft_wrap=True)
    console.print(one_line(f"B: {comparison.second}"), soft_wrap=True)
    table(console, lines, heads=heads)
    counted = ", ".join(f"{count} {name}" for name, count in comparison.wins.items() if count)
    console.print(
        f"Over {len(lines)} tracks: {counted}; mean difference {100 * comparison.mean_difference:+.2f}, of the middle "
        f"half {100 * comparison.interquartile_difference:+.2f}; over tracks p {p_value(comparison.across_tracks)}.",
        soft_wrap=True,
    )
    console.print(
        "Differences in points with 95 % intervals over shared episodes; p by sign flips, adjusted for the tracks. "
        f"Equal means within ±{100 * comparison.equivalent:g} points.",
        soft_wrap=True,
    )
    if seeds:
        console.print(
            "'over seeds' covers training seeds as well as episodes, paired by their numbers; where it is there, the "
            "verdict rests on it and is about the methods.",
            soft_wrap=True,
        )
    for caution in comparison.cautions:
        tell_warning(caution)


def _around(interval: Interval) -> str:
    return f"{100 * interval.mean:+.2f} ± {100 * interval.half_width:.2f}"


def _range(interval: Interval) -> str:
    return f"{100 * interval.low:+.2f} … {100 * interval.high:+.2f}"
