"""Print the short ranking of a suite, for `freeshot leaderboard` and at the end of `freeshot run`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from freeshot.cli.console import counted, print_warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from freeshot.leaderboard import ShortRanking
    from freeshot.leaderboard.short_ranking import RankedRow

LABEL = 44
"""Width of the method column; longer labels are cut."""


def print_ranking(console: Console, ranking: ShortRanking) -> None:
    """Print the table and the notes below it."""
    for problem in ranking.problems:
        print_warning(problem)
    if not ranking.empty:
        console.print(Text(_title(ranking), style="bold"))
        console.print(_table(ranking))
    for note in _notes(ranking):
        console.print(Text(note, style="dim"))


def _title(ranking: ShortRanking) -> str:
    from freeshot.basics.text import one_line

    version = f", track version {ranking.version}" if ranking.version > 1 else ""
    return one_line(f"Suite {ranking.suite or '(none)'}: accuracy in % on {counted(ranking.tracks, 'track')}{version}")


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
        table.add_row(str(row.position or "–"), *_cells(row, ranking.columns))
    if ranking.rows and ranking.controls:
        table.add_section()
    for row in ranking.controls:
        table.add_row("", *_cells(row, ranking.columns), style="dim")
    return table


def _cells(row: RankedRow, columns: Sequence[str]) -> Iterator[Text]:
    for column in columns:
        value = row.values[column]
        if value is None:
            yield Text("–")
        elif isinstance(value, str):
            yield Text(value)
        elif column == "rank":
            yield Text(f"{value:.2f}")
        else:
            yield Text(str(value) if column == "tracks" else f"{100 * value:.1f}")


def _notes(ranking: ShortRanking) -> Iterator[str]:
    if ranking.hidden:
        yield f"{counted(ranking.hidden, 'more row')}: --top {len(ranking.rows) + ranking.hidden} shows them."
    if not ranking.empty:
        yield "rank: average over the tracks; on a track, methods without a significant difference share a rank."
    if "tracks" in ranking.columns and not ranking.empty:
        yield "tracks: number of tracks with a result. Rows with missing tracks have no rank and no mean."
    if ranking.limited:
        records = "1 record is" if ranking.limited == 1 else f"{ranking.limited} records are"
        yield f"{records} limited or not comparable, and not ranked."
