"""`freeshot leaderboard`: tables from records, on the screen, as files, or compared with the files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from freeshot.cli.console import stdout, tell_error, tell_warning
from freeshot.cli.session import session_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from freeshot.contracts.records import RunRecord

FORMATS = ["terminal", "markdown", "latex", "csv", "json", "html"]


@click.command("leaderboard")
@click.option(
    "--results", type=click.Path(path_type=Path, file_okay=False), default=Path("results"), help="Where records are."
)
@click.option("--format", "form", type=click.Choice(FORMATS), default="terminal", help="How to print.")
@click.option(
    "--interval",
    type=click.Choice(["t", "bca"]),
    default="t",
    help="Student's t, or the BCa bootstrap, for what is printed; written tables have Student's t.",
)
@click.option("--write", is_flag=True, help="Write the tables beside the records instead of printing them.")
@click.option(
    "--check", is_flag=True, help="Fail if a record cannot be read or the written tables are not what the records say."
)
@click.option(
    "--plots",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Draw plots into DIR instead: intervals, costs, critical differences; needs 'freeshot[plot]'.",
)
@click.option("--plot-format", type=click.Choice(["png", "svg"]), default="svg", help="What --plots writes.")
@click.pass_context
def command(
    ctx: click.Context,
    results: Path,
    form: Any,
    interval: Any,
    plots: Path | None,
    plot_format: Any,
    *,
    write: bool,
    check: bool,
) -> None:
    """Rank the methods on each track, from records alone."""
    from freeshot.basics.errors import StoreError
    from freeshot.report import load_records, render, render_terminal, stale_leaderboards, write_leaderboards

    if not results.is_dir():
        raise StoreError(
            f"There is no folder {results}. Run something first with 'freeshot run', or name another --results."
        )
    loaded = load_records(results)
    for problem in loaded.problems:
        tell_warning(str(problem))
    catalogue = session_of(ctx).catalogue
    columns, published = catalogue.columns(), catalogue.published()
    if write:
        for path in write_leaderboards(results, columns, published):
            click.echo(f"{path} is written.")
    if check:
        stale = stale_leaderboards(results, columns, published)
        for path in stale:
            tell_error(f"{path} is not what the records say. Write it again with 'freeshot leaderboard --write'.")
        if stale or loaded.problems:
            ctx.exit(1)
        click.echo("All tables are what the records say.")
    if plots is None and (write or check):
        return
    if not loaded.records:
        raise StoreError(f"There is no record under {results}. Run something first with 'freeshot run'.")
    if plots is not None:
        _plot(loaded.records, interval, plots, plot_format)
        return
    if form == "terminal":
        render_terminal(loaded.records, stdout(), columns, interval, published)
    else:
        click.echo(render(form, loaded.records, columns, interval, published), nl=False)


def _plot(records: Iterable[RunRecord], interval: Any, folder: Path, form: Any) -> None:
    from freeshot.report import boards
    from freeshot.report.plots import write_plots

    for path in write_plots(boards(records, interval=interval), folder, form):
        click.echo(f"{path} is written.")
