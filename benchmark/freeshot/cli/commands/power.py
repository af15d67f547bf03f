"""`freeshot power`: how many episodes and seeds are needed to detect a difference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from freeshot.basics.errors import StoreError
from freeshot.basics.suggestions import unknown_name
from freeshot.cli import options
from freeshot.cli.console import duration, print_line, print_warning, table

if TYPE_CHECKING:
    from freeshot.leaderboard import Board


@click.command("power")
@options.results_argument
@click.option(
    "--detect", metavar="POINTS", type=float, default=0.5, help="Smallest difference to detect, in accuracy points."
)
@click.option("--power", metavar="SHARE", type=float, default=0.8, help="Statistical power.")
@options.suite(help="Suite whose records provide the variances; default: the suite with most rows.")
def command(results: Path, detect: float, power: float, suite: str | None) -> None:
    """Estimate how many episodes and training seeds are needed to detect a difference."""
    from freeshot.leaderboard.power_analysis import plan_seeds, plan_tracks

    board = _board(results, suite)
    tracks = plan_tracks(board, detect / 100, power)
    if not tracks:
        raise StoreError(
            f"No two rows of '{board.suite}' share a track, so no variance can be estimated. Run two methods first."
        )
    print_line(f"To detect {detect:g} points with power {power:g} (two-sided, 5 %):")
    rows = [
        (t.track, f"{100 * t.deviation:.1f}", f"{t.episodes:,}", f"{t.worst_episodes:,}", str(t.pairs)) for t in tracks
    ]
    table(rows, heads=("track", "spread of differences", "episodes", "worst pair", "pairs"))
    rows = [
        (s.label, f"{100 * s.deviation:.2f}", str(s.seeds), str(s.known_from), duration(s.seconds))
        for s in plan_seeds(board, detect / 100, power)
    ]
    if rows:
        table(rows, heads=("row", "spread between seeds", "seeds", "estimated from", "time per track"))
    else:
        print_warning(
            "No row has several training seeds, so their number cannot be estimated. Run some cells with --seed."
        )


def _board(results: Path, suite: str | None) -> Board:
    """Return the newest board of the suite, or the one with most rows."""
    from freeshot.leaderboard import boards
    from freeshot.records.load import load_records

    newest = {board.suite: board for board in reversed(boards(load_records(results).records))}
    if not newest:
        raise options.no_records(results)
    if suite is not None and suite not in newest:
        raise unknown_name("suite", suite, newest)
    return newest[suite] if suite is not None else max(newest.values(), key=lambda board: len(board.rows))
