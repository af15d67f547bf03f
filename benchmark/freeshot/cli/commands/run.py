"""`freeshot run`: run the cells of a suite, or of selected tracks and methods."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from freeshot.cli import options
from freeshot.cli.console import counted, print_line, stdout
from freeshot.cli.context import session_of
from freeshot.cli.plan import cell_titles, print_dry_run

if TYPE_CHECKING:
    from freeshot.cli.progress import LineDisplay
    from freeshot.launch.plan import Plan
    from freeshot.launch.request import RunRequest
    from freeshot.launch.runner import Outcome


@click.command("run")
@click.argument("suite", metavar="[SUITE]", required=False)
@click.option(
    "--profile", "-p", metavar="NAME", help="Size of the suite, e.g. quick; default: full. See 'freeshot show SUITE'."
)
@options.tracks("Run tracks that match this pattern, e.g. '*/5w1s'. Repeatable.")
@options.methods("Run this method. Repeatable.")
@options.component_options()
@click.option(
    "--backbone", "-b", metavar="NAME", help="Backbone, instead of the track's; NAME:KEY=VALUE,… sets its options."
)
@click.option("--pool", metavar="NAME_OR_DIR", help="LoRA pool, instead of the track's.")
@click.option(
    "--seed", "seeds", multiple=True, type=int, help="Random seed. Repeatable. Default: the seeds of the profile."
)
@click.option("--limit", metavar="N", type=click.IntRange(min=1), help="Use N episodes only; not comparable.")
@options.device
@options.precision
@click.option("--results", type=options.FOLDER, default=Path("results"), help="Directory for the records.")
@options.cache_folder
@options.data_folder
@options.pools_folder
@click.option("--launcher", metavar="NAME", default="local", help="Launcher: local, submitit or ray.")
@click.option(
    "--launcher-option",
    "-l",
    "launcher_options",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set an option of the launcher, e.g. -l workers=2. Repeatable.",
)
@options.plugin_files()
@click.option("--rerun", is_flag=True, help="Run finished cells again.")
@click.option("--dry-run", is_flag=True, help="Print the cells and the estimated cost without running anything.")
@options.full_traceback
@click.pass_context
def command(ctx: click.Context, /, *, dry_run: bool, files: tuple[Path, ...], full: bool, **arguments: Any) -> None:
    """Run a suite, or selected tracks and methods. Finished cells are skipped."""
    from freeshot.launch.plan import plan_run
    from freeshot.launch.request import RunRequest

    session = session_of(ctx, files, arguments["data"])
    request = RunRequest(**arguments)
    plan = plan_run(request, session.catalogue)
    session.warn()  # before the work, not after an hour of it
    if dry_run:
        print_dry_run(plan, request, session.catalogue)
        return
    from freeshot.cli.progress import shown
    from freeshot.launch.runner import execute_plan

    todo = [cell.spec.cell for cell in plan.cells if cell.state == "todo"]
    with shown(session.host.manager, cell_titles(plan), todo) as display:
        outcome = execute_plan(plan, request, session.catalogue)
    _print_result(plan, request, outcome, display, full=full)
    if outcome.failed:
        ctx.exit(1)


def _print_result(plan: Plan, request: RunRequest, outcome: Outcome, display: LineDisplay, *, full: bool) -> None:
    """Print what ran, what failed, the ranking of the suite, and where to find the rest."""
    from freeshot.cli.commands.leaderboard import everything
    from freeshot.cli.failures import print_failures

    print_line("")
    print_line(_counts(plan, outcome, display))
    print_failures(display.failures, full=full)
    _print_ranking(plan, request)
    suite = next((cell.spec.suite for cell in plan.cells), None)
    print_line(f"Records: {request.results}")
    print_line(f"All tables: {everything(request.results, suite)}")


def _counts(plan: Plan, outcome: Outcome, display: LineDisplay) -> str:
    """Count the cells by their result, as in '3 cells ran: 2 finished, 1 failed. 7 cells finished before'."""
    before = sum(cell.state == "done" for cell in plan.cells)
    violated = sum(event.status == "violated" for event in display.failures.values())
    ran = outcome.finished + outcome.failed
    counts = {"finished": outcome.finished, "failed": outcome.failed - violated, "violated": violated}
    details = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    sentences = [f"{counted(ran, 'cell')} ran: {details}." if ran else "Nothing to run."]
    if before:
        sentences.append(
            f"{counted(before, 'cell')} finished before (--rerun runs {'it' if before == 1 else 'them'} again)."
        )
    if skipped := outcome.skipped - before:
        sentences.append(f"{counted(skipped, 'cell')} skipped.")
    return " ".join(sentences)


def _print_ranking(plan: Plan, request: RunRequest) -> None:
    """Print the ranking of the suite on the tracks of this run."""
    from freeshot.cli.ranking import print_ranking
    from freeshot.leaderboard import Selection, short_ranking
    from freeshot.records.load import load_records

    suites = {cell.spec.suite for cell in plan.cells}
    tracks = {cell.spec.track.name for cell in plan.cells}
    records = load_records(request.results).records
    mine = [record for record in records if record.spec.suite in suites and record.spec.track.name in tracks]
    print_line("")
    if not mine:
        return
    ranking = short_ranking(mine, Selection())
    print_ranking(stdout(), ranking)
    if not ranking.empty:
        print_line("")
