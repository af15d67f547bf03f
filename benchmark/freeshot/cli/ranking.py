"""Print the short ranking of a suite, for `freeshot leaderboard` and at the end of `freeshot run`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from freeshot.basics.text import counted, one_line
from freeshot.cli.console import print_warning
from freeshot.leaderboard import ShortRanking
from freeshot.leaderboard.short_ranking import RankedRow

LABEL = 44
"""Width of the method column; longer labels are cut."""


def print_ranking(console: Console, ranking: ShortRanking) -> None:
    """Print the table and the notes below it, and the problems of its records as warnings."""
    for problem in ranking.problems:
        print_warning(problem)
    print_table_and_notes(console, ranking)


def print_table_and_notes(console: Console, ranking: ShortRanking) -> None:
    """Print the table and the notes below it."""
    if not ranking.empty:
        console.print(Text(ranking_title(ranking), style="bold"))
        console.print(_table(ranking))
    for note in ranking_notes(ranking):
        console.print(Text(note, style="dim"))


def ranking_title(ranking: ShortRanking) -> str:
    """Return the title of the table."""
    version = f", track version {ranking.version}" if ranking.version > 1 else ""
    suite = ranking.suite or "(none)"
    return one_line(f"Suite {suite}: accuracy in % on {counted(ranking.tracks, 'track')}{version}")


def _table(ranking: ShortRanking) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(Text("#"), justify="right")
    for column in ranking.columns:
        left = column in ("method", "data")
        table.add_column(
            Text(column),
            justify="left" if left else "right",
            no_wrap=True,
            overflow="ellipsis",
            max_width=LABEL if column == "method" else None,
        )
    for row in ranking.rows:
        table.add_row(str(row.position or "–"), *map(Text, ranking_cells(row, ranking.columns)))
    if ranking.rows and ranking.controls:
        table.add_section()
    for row in ranking.controls:
        table.add_row("", *map(Text, ranking_cells(row, ranking.columns)), style="dim")
    return table


def ranking_cells(row: RankedRow, columns: Sequence[str]) -> Iterator[str]:
    """Return the cells of a row as text."""
    for column in columns:
        value = row.values[column]
        if value is None:
            yield "–"
        elif isinstance(value, str):
            yield value
        elif column == "rank":
            yield f"{value:.2f}"
        else:
            yield str(value) if column == "tracks" else f"{100 * value:.1f}"


def ranking_notes(ranking: ShortRanking) -> Iterator[str]:
    """Return the sentences below the table."""
    if ranking.hidden:
        yield f"{counted(ranking.hidden, 'more row')}: --top {len(ranking.rows) + ranking.hidden} shows them."
    if not ranking.empty:
        yield "rank: average over the tracks; on a track, methods without a significant difference share a rank."
    if "tracks" in ranking.columns and not ranking.empty:
        yield "tracks: number of tracks with a result. Rows with missing tracks have no rank and no mean."
    if ranking.limited:
        records = "1 record is" if ranking.limited == 1 else f"{ranking.limited} records are"
        yield f"{records} limited or not comparable, and not ranked."
