"""`freeshot leaderboard`: print a ranking or all result tables, write them to files, or check the files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click
from rich.text import Text

from freeshot.basics.text import one_line
from freeshot.cli import options
from freeshot.cli.console import print_error, print_warning, stdout
from freeshot.cli.context import session_of

if TYPE_CHECKING:
    from freeshot.leaderboard import Extensions, Selection
    from freeshot.plugin.catalogue import Catalogue
    from freeshot.records.load import Loaded
    from freeshot.records.models import RunRecord

FORMATS = ["terminal", "markdown", "latex", "csv", "json", "html"]


@click.command("leaderboard")
@options.results_argument
@options.suite(help="Suite to show; default: the main suite, or the one with most records.")
@options.tracks(help="Use only tracks that match this pattern, e.g. '*/5w1s'. Repeatable.")
@options.methods(help="Show only rows of this method, or the row with this label. Repeatable.")
@click.option("--top", "-n", metavar="N", type=click.IntRange(min=1), help="Show N rows; default: one screen.")
@click.option(
    "--sort",
    metavar="COLUMN",
    default="rank",
    help="Sort by rank, mean, method, data, or a group of tracks, e.g. cross-domain.",
)
@click.option("--all", "-a", "full", is_flag=True, help="Print all tables: per track, paired differences, costs.")
@click.option(
    "--format", "-f", "form", type=click.Choice(FORMATS), default="terminal", help="Output format of all tables."
)
@click.option(
    "--interval",
    type=click.Choice(["t", "bca"]),
    default="t",
    help="Intervals of --all, --format and --plots: Student's t or BCa bootstrap.",
)
@click.option("--write", is_flag=True, help="Write all tables to DIR/leaderboard instead of printing them.")
@click.option("--check", is_flag=True, help="Exit with 1 if a record is invalid or a written table is out of date.")
@click.option(
    "--plots",
    metavar="DIR",
    type=options.FOLDER,
    help="Write plots to this folder instead: intervals, costs, critical differences. Needs 'freeshot[plot]'.",
)
@click.option("--plot-format", type=click.Choice(["png", "svg"]), default="svg", help="File format of --plots.")
@click.pass_context
def command(
    ctx: click.Context,
    results: Path,
    suite: str | None,
    tracks: tuple[str, ...],
    methods: tuple[str, ...],
    top: int | None,
    sort: str,
    form: Any,
    interval: Any,
    plots: Path | None,
    plot_format: Any,
    *,
    full: bool,
    write: bool,
    check: bool,
) -> None:
    """Rank the methods of a suite by the records in DIR. --all prints all tables."""
    from freeshot.leaderboard import Selection
    from freeshot.render import render, render_terminal

    loaded = _loaded(results)
    extensions = extensions_of(session_of(ctx).catalogue)
    if write or check:
        _maintain(ctx, results, loaded, extensions, write=write, check=check)
        if plots is None:
            return
    if not loaded.records:
        raise options.no_records(results)
    selection = Selection(suite, tracks, methods)
    if plots is not None:
        _plot(loaded.records, extensions, selection, interval, plots, plot_format)
    elif form == "terminal" and not full:
        _print_short(results, loaded.records, extensions, selection, sort, top)
    elif form == "terminal":
        render_terminal(loaded.records, stdout(), extensions, interval, selection)
    else:
        click.echo(render(form, loaded.records, extensions, interval, selection), nl=False)


def extensions_of(catalogue: Catalogue) -> Extensions:
    """Return what the plugins add to leaderboards."""
    from freeshot.leaderboard import Extensions
    from freeshot.plugin.cards import card_of

    return Extensions(catalogue.columns(), catalogue.published(), catalogue.suites(), partial(card_of, catalogue))


def _loaded(results: Path) -> Loaded:
    """Load the records, with a warning for each invalid one."""
    from freeshot.records.load import load_records

    options.require_results(results)
    loaded = load_records(results)
    for problem in loaded.problems:
        print_warning(str(problem))
    return loaded


def _maintain(
    ctx: click.Context, results: Path, loaded: Loaded, extensions: Extensions, *, write: bool, check: bool
) -> None:
    """Write the tables, or check that the written ones are up to date."""
    from freeshot.render import stale_leaderboards, write_leaderboards

    if write:
        for path in write_leaderboards(results, extensions):
            click.echo(f"Wrote {path}")
    if not check:
        return
    stale = stale_leaderboards(results, extensions)
    for path in stale:
        print_error(f"{path} is out of date. Update it with 'freeshot leaderboard --write'.")
    if stale or loaded.problems:
        ctx.exit(1)
    click.echo("All tables are up to date.")


def _print_short(
    results: Path,
    records: Sequence[RunRecord],
    extensions: Extensions,
    selection: Selection,
    sort: str,
    top: int | None,
) -> None:
    """Print the ranking of one suite, and how to see more."""
    from dataclasses import replace

    from freeshot.cli.ranking import print_ranking
    from freeshot.leaderboard import main_suite, short_ranking

    suite = selection.suite or main_suite(records, extensions.suites)
    ranking = short_ranking(records, replace(selection, suite=suite), sort=sort, top=top)
    console = stdout()
    print_ranking(console, ranking)
    others = ", ".join(sorted({record.spec.suite for record in records} - {suite}))
    if others:
        console.print(Text(one_line(f"Other suites: {others} (--suite NAME)."), style="dim"))
    console.print(Text(f"All tables: {everything(results)}"))


def everything(results: Path, suite: str | None = None) -> str:
    """Return the command that prints all tables."""
    import shlex

    words = ["freeshot", "leaderboard"]
    words += [] if results == Path("results") else [str(results)]
    words += ["--suite", suite] if suite else []
    return shlex.join([*words, "--all"])


def _plot(
    records: Sequence[RunRecord],
    extensions: Extensions,
    selection: Selection,
    interval: Any,
    folder: Path,
    form: Any,
) -> None:
    from freeshot.leaderboard import boards
    from freeshot.render.plots import write_plots

    selected = selection.boards(boards(selection.records(records), extensions, interval))
    for path in write_plots(selected, folder, form):
        click.echo(f"Wrote {path}")
