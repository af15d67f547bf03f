"""`freeshot run`: run the cells of a suite, or of selected tracks and methods."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click
from click.core import ParameterSource

from freeshot.basics.text import counted
from freeshot.cli import options
from freeshot.cli.console import duration, print_line, stdout, table
from freeshot.cli.context import session_of

if TYPE_CHECKING:
    from freeshot.cli.progress import LineDisplay
    from freeshot.launch.plan import Plan
    from freeshot.launch.request import RunRequest
    from freeshot.launch.runner import Outcome
    from freeshot.plugin.catalogue import Catalogue
    from freeshot.workflows.estimate_cost import CostEstimate


@click.command("run")
@click.argument("suite", metavar="[SUITE_OR_FILE]", required=False)
@click.option(
    "--profile", "-p", metavar="NAME", help="Size of the suite, e.g. quick; default: full. See 'freeshot show SUITE'."
)
@options.tracks(help="Run tracks that match this pattern, e.g. '*/5w1s'. Repeatable.")
@options.methods(help="Run this method. Repeatable.")
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
@click.option("--save-predictions", is_flag=True, help="Write the predictions of all queries beside each record.")
@click.option("--rerun", is_flag=True, help="Run finished cells again.")
@click.option("--dry-run", is_flag=True, help="Print the cells and the estimated cost without running anything.")
@options.full_traceback
@click.pass_context
def command(ctx: click.Context, /, *, dry_run: bool, files: tuple[Path, ...], full: bool, **arguments: Any) -> None:
    """Run a suite, or selected tracks and methods. Finished cells are skipped.

    FILE.toml holds these options as keys; options given here replace those of the file.
    """
    from freeshot.launch.plan import plan_run
    from freeshot.launch.request import RunRequest
    from freeshot.launch.run_file import save_run_file

    if str(arguments["suite"]).endswith(".toml"):
        arguments = _with_run_file(ctx, arguments)
        files = (*arguments.pop("plugins", ()), *files)
    session = session_of(ctx, files, arguments["data"])
    request = RunRequest(**arguments)
    plan = plan_run(request, session.catalogue)
    session.warn()  # before the work, not after an hour of it
    if dry_run:
        _print_dry_run(plan, request, session.catalogue)
        return
    from freeshot.cli.progress import shown
    from freeshot.launch.runner import execute_plan
    from freeshot.leaderboard.labels import cell_titles

    todo = [cell.spec.cell for cell in plan.cells if cell.state == "todo"]
    with shown(session.host.manager, cell_titles([cell.spec for cell in plan.cells]), todo) as display:
        outcome = execute_plan(plan, request, session.catalogue)
    save_run_file(request, session.host.selection.files)
    _print_result(plan, request, outcome, display, full=full)
    if outcome.failed:
        ctx.exit(1)


def _with_run_file(ctx: click.Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of the run file, and on top of them those of the command line."""
    from freeshot.launch.run_file import read_run_file

    given = read_run_file(Path(arguments["suite"]))
    typed = {name for name in arguments if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT} - {"suite"}
    if "launcher" in typed:
        given.pop("launcher_options", None)
    merged = arguments | {"suite": None} | {name: value for name, value in given.items() if name not in typed}
    return merged | {"precision": options.measured(merged["precision"], merged["device"])}


def _print_result(plan: Plan, request: RunRequest, outcome: Outcome, display: LineDisplay, *, full: bool) -> None:
    """Print what ran, what failed, the ranking of the suite, and where to find the rest."""
    from freeshot.cli.commands.leaderboard import everything
    from freeshot.cli.failures import print_failures

    print_line("")
    print_line(_counts(plan, outcome, display))
    if request.save_predictions and (without := _without_predictions(plan, request.results)):
        print_line(f"{counted(without, 'finished cell')} without saved predictions; --rerun makes them.")
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


def _without_predictions(plan: Plan, results: Path) -> int:
    """Count the cells that finished before, and whose predictions were not saved then."""
    from freeshot.records.predictions import stored_at
    from freeshot.records.store import record_path

    done = [cell for cell in plan.cells if cell.state == "done"]
    return sum(not stored_at(record_path(results, cell.spec)).exists() for cell in done)


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


def _print_dry_run(plan: Plan, request: RunRequest, catalogue: Catalogue) -> None:
    """Print the cells with their state, then the estimated cost of those to run."""
    rows = [
        (cell.spec.track.name, method, str(cell.spec.seed), cell.state, cell.reason)
        for cell, method in zip(plan.cells, _method_titles(plan), strict=True)
    ]
    table(rows, heads=("track", "method", "seed", "state", "reason"))
    todo = sum(cell.state == "todo" for cell in plan.cells)
    print_line(f"{todo} of {len(plan.cells)} cells to run.")
    for sentence in plan.missing:
        print_line(sentence)
    if todo:
        from freeshot.workflows.estimate_cost import estimate_cost

        _print_estimate(estimate_cost(plan, request, catalogue))


def _print_estimate(estimate: CostEstimate) -> None:
    if estimate.unknown:
        print_line(f"No cost estimate for {counted(estimate.unknown, 'cell')} (no comparable record).")
    if not estimate.stages:
        return
    rows = []
    for stage, works in estimate.stages.items():
        cached, artifacts = sum(work.cached for work in works), sum(work.artifacts for work in works)
        in_cache = f"{cached} of {artifacts}" if artifacts else "–"
        rows.append((stage, str(len(works)), in_cache, duration(sum(work.seconds_left for work in works))))
    print_line("")
    table(rows, heads=("stage", "runs", "in the cache", "time"))
    rest = f", without {counted(estimate.unknown, 'cell')} that cannot be estimated" if estimate.unknown else ""
    print_line(
        f"In total about {duration(estimate.seconds)}, as comparable records took on {', '.join(estimate.devices)}, "
        f"and {estimate.disk / 1e6:,.0f} MB of disk{rest}."
    )


def _method_titles(plan: Plan) -> list[str]:
    """Return each cell's method and components, or its row label if rows differ in other options."""
    from freeshot.leaderboard.labels import row_labels

    titles = []
    for cell, label in zip(plan.cells, row_labels([cell.spec for cell in plan.cells]), strict=True):
        components = ", ".join(component.name for component in cell.spec.components.values())
        plain = f"{cell.spec.method.name} ({components})" if components else cell.spec.method.name
        titles.append(plain if label == cell.spec.method.name else label)
    return titles
