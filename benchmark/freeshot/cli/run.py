"""`freeshot run`: run the cells of a suite, or of the tracks and methods named."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from freeshot.cli.console import arithmetic, duration, stdout, table
from freeshot.cli.session import assumed_rate, plugin_files, pools_folder, session_of, whole_traceback

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from freeshot.contracts.columns import Column
    from freeshot.plugin.catalogue import Catalogue
    from freeshot.run.plan import Plan
    from freeshot.run.request import RunRequest

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command("run")
@click.argument("suite", required=False)
@click.option("--profile", metavar="NAME", help="Size of the suite; without it, the full one.")
@click.option(
    "--track", "tracks", multiple=True, metavar="PATTERN", help="Tracks to run, such as '*/5w1s'; repeatable."
)
@click.option("--method", "methods", multiple=True, metavar="NAME", help="Methods to run; repeatable.")
@click.option(
    "--option", "-o", "options", multiple=True, metavar="KEY=VALUE", help="Set an option of the methods; repeatable."
)
@click.option("--backbone", metavar="NAME", help="Backbone instead of the track's; NAME:KEY=VALUE,… sets its options.")
@click.option("--pool", metavar="NAME_OR_DIR", help="Pool of LoRAs instead of the track's.")
@click.option(
    "--seed", "seeds", multiple=True, type=int, help="Root seed; repeatable; the profile's if not given, mostly 0."
)
@click.option("--limit", type=click.IntRange(min=1), help="Score only so many episodes; the record is not comparable.")
@click.option("--device", type=click.Choice(["cpu", "cuda", "auto"]), default="cpu", help="Where to compute.")
@click.option("--results", type=FOLDER, default=Path("results"), help="Where records go.")
@click.option("--cache", type=FOLDER, default=Path(".freeshot"), help="Where what can be reused goes.")
@click.option("--data", type=FOLDER, default=Path("data"), help="Where your images are.")
@pools_folder()
@click.option("--launcher", metavar="NAME", default="local", help="Who runs the cells.")
@click.option(
    "--launcher-option",
    "-l",
    "launcher_options",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set an option of the launcher, such as workers=2; repeatable.",
)
@plugin_files()
@click.option("--again", is_flag=True, help="Run cells that are already done, too.")
@click.option("--dry-run", is_flag=True, help="Only say what would be run, and for about how long.")
@assumed_rate()
@whole_traceback()
@click.pass_context
def command(
    ctx: click.Context, /, *, dry_run: bool, rate: float | None, files: tuple[Path, ...], whole: bool, **asked: Any
) -> None:
    """Run the cells of a SUITE, or of the tracks and methods that are named; what is done is not done again."""
    from freeshot.run.plan import plan_run
    from freeshot.run.request import RunRequest

    session = session_of(ctx)
    session.take_in(files)
    session.use_data(asked["data"])
    request = RunRequest(**asked)
    plan = plan_run(request, session.catalogue)
    session.warn()  # before the work, not after an hour of it
    console = stdout()
    if dry_run:
        _print_plan(console, plan)
        _print_ahead(console, plan, request, session.catalogue, rate)
        return
    from freeshot.cli.failures import print_failures
    from freeshot.cli.progress import shown
    from freeshot.run.execute import execute_plan

    with shown(session.host.manager, _titles(plan)) as display:
        outcome = execute_plan(plan, request, session.catalogue)
    _print_leaderboard(console, plan, request, session.catalogue.columns())
    console.print(f"{outcome.finished} finished, {outcome.skipped} skipped, {outcome.failed} failed.")
    console.print(f"The records are in {request.results}.", soft_wrap=True)
    if outcome.failed:
        print_failures(console, display.failures, whole=whole)
        ctx.exit(1)


def _print_plan(console: Console, plan: Plan) -> None:
    heads = ("track", "method", "seed", "state", "reason")
    called = _called(plan)
    rows = [
        (cell.spec.track.name, called[cell.spec.cell], str(cell.spec.seed), cell.state, cell.reason)
        for cell in plan.cells
    ]
    table(console, rows, heads)
    todo = sum(cell.state == "todo" for cell in plan.cells)
    console.print(f"{todo} of {len(plan.cells)} cells to run.")
    for sentence in plan.missing:
        console.print(sentence, soft_wrap=True)


def _titles(plan: Plan) -> dict[str, str]:
    """Call each cell as the board calls its row, with its seed where there are several: no two cells alike."""
    rows, several = _rows(plan), len({cell.spec.seed for cell in plan.cells}) > 1
    return {
        cell.spec.cell: f"{cell.spec.track.name} · {row}" + (f", seed {cell.spec.seed}" if several else "")
        for cell, row in zip(plan.cells, rows, strict=True)
    }


def _called(plan: Plan) -> dict[str, str]:
    """Call each cell's method by its parts, or as on the board where rows of one method differ in something else."""
    called = {}
    for cell, row in zip(plan.cells, _rows(plan), strict=True):
        parts = ", ".join(part.name for part in cell.spec.parts.values())
        plain = f"{cell.spec.method.name} ({parts})" if parts else cell.spec.method.name
        called[cell.spec.cell] = plain if row == cell.spec.method.name else row
    return called


def _rows(plan: Plan) -> list[str]:
    """Name the board's row of each cell."""
    from freeshot.report.configurations import configurations, labels

    found = configurations(cell.spec for cell in plan.cells)
    named = labels(found)
    return [named[one] for one in found]


def _print_ahead(console: Console, plan: Plan, request: RunRequest, catalogue: Catalogue, rate: float | None) -> None:
    """Print what the run will cost, stage by stage."""
    if not any(cell.state == "todo" for cell in plan.cells):
        return
    from freeshot.run.ahead import look_ahead

    ahead = look_ahead(plan, request, catalogue, rate)
    if ahead.unknown:
        console.print(f"Of {ahead.unknown} of them nothing is known: like cells are not on record.")
    if not ahead.stages:
        return
    if ahead.absent:
        names = ", ".join(f"'{name}'" for name in ahead.absent)
        console.print(f"Of {names} no images are there; each episode is counted with images of its own.")
    rows = []
    for stage, works in ahead.stages.items():
        there, parts = sum(work.there for work in works), sum(work.parts for work in works)
        flops = sum(work.left for work in works)
        found = f"{there} of {parts}" if parts else "–"
        rows.append((stage, str(len(works)), found, arithmetic(flops), duration(flops / ahead.rate)))
    console.print()
    table(console, rows, heads=("stage", "times", "in the cache", "operations", "about"))
    speed = f"measured just now ({ahead.device})" if rate is None else "as you assume"
    console.print(
        f"Together {arithmetic(ahead.flops)}, about {duration(ahead.seconds)} at {arithmetic(ahead.rate)}/s, {speed}, "
        f"and {ahead.disk / 1e6:,.0f} MB of disk{_without(ahead.unknown)}."
    )


def _without(unknown: int) -> str:
    return f", without the {unknown} cells of which nothing is known" if unknown else ""


def _print_leaderboard(console: Console, plan: Plan, request: RunRequest, columns: Sequence[Column]) -> None:
    from freeshot.report import load_records, render_terminal

    tracks = {cell.spec.track.name for cell in plan.cells}
    records = [record for record in load_records(request.results).records if record.spec.track.name in tracks]
    if records:
        render_terminal(records, console, columns)
