"""`freeshot plan`: how many episodes and seeds a claim takes."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from freeshot.cli.console import duration, stdout, table, tell_warning

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command("plan")
@click.option("--detect", type=float, default=0.5, help="Difference in points that is to be seen.")
@click.option("--power", type=float, default=0.8, help="How surely it is to be seen, where it is there.")
@click.option("--suite", metavar="NAME", help="Whose records to learn from; the one with the most rows if not given.")
@click.option("--results", type=FOLDER, default=Path("results"), help="Where records are.")
def command(detect: float, power: float, suite: str | None, results: Path) -> None:
    """Say from earlier records how many episodes and training seeds it takes to see a difference, and for how long."""
    from freeshot.basics.errors import StoreError
    from freeshot.basics.names import unknown_name
    from freeshot.report import boards, load_records
    from freeshot.report.planning import plan_seeds, plan_tracks

    found = {board.suite: board for board in reversed(boards(load_records(results).records))}
    if not found:
        raise StoreError(f"There is no record under {results}. Run something first with 'freeshot run'.")
    if suite is not None and suite not in found:
        raise unknown_name("suite", suite, found)
    board = found[suite] if suite is not None else max(found.values(), key=lambda board: len(board.rows))
    console = stdout()
    tracks = plan_tracks(board, detect / 100, power)
    if not tracks:
        raise StoreError(
            f"No two rows of '{board.suite}' share a track, so no variance is known. Run two methods first."
        )
    console.print(f"To see {detect:g} points with a power of {power:g}, two-sided at 5 %:", soft_wrap=True)
    rows = [
        (t.track, f"{100 * t.spread:.1f}", f"{t.episodes:,}", f"{t.worst_episodes:,}", str(t.pairs)) for t in tracks
    ]
    table(console, rows, heads=("track", "spread of differences", "episodes", "worst pair", "pairs"))
    seeds = plan_seeds(board, detect / 100, power)
    if not seeds:
        tell_warning(
            "No row has several seeds, so how many a claim about methods takes is not known. Run some with --seed."
        )
        return
    lines = [(s.label, f"{100 * s.spread:.2f}", str(s.seeds), str(s.known_from), duration(s.seconds)) for s in seeds]
    table(console, lines, heads=("row", "spread between seeds", "seeds", "estimated from", "a track takes"))
