"""`freeshot reproduce`: run the cell of a record again and compare the results."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from freeshot.cli import options
from freeshot.cli.console import p_value, print_error, print_finding, print_line, print_warning
from freeshot.cli.context import session_of

if TYPE_CHECKING:
    from freeshot.records.models import RunRecord
    from freeshot.stats.equivalence import Equivalence

MEANING = {
    "the same bits": "The same bits: every episode has the recorded accuracy.",
    "equivalent": "Equivalent: both one-sided tests reject at 5 %, so the difference is within ±{margin:g} points.",
    "different": "Different: the 90 % interval is entirely outside ±{margin:g} points.",
    "not shown": "Not shown: the 90 % interval overlaps ±{margin:g} points, so neither is shown.",
}


@click.command("reproduce")
@click.argument("file", metavar="RECORD", type=click.Path(path_type=Path, dir_okay=False))
@options.margin()
@click.option("--other-versions", is_flag=True, help="Run even if a plugin has another version than in the record.")
@options.device
@click.option("--results", type=options.FOLDER, help="Directory for the new record; default: do not save it.")
@options.cache_folder
@options.data_folder
@click.option("--pool", metavar="NAME_OR_DIR", help="Location of your LoRA pool, if not in --pools.")
@options.pools_folder
@options.plugin_files()
@options.full_traceback
@click.pass_context
def command(
    ctx: click.Context,
    /,
    file: Path,
    margin: float,
    results: Path | None,
    files: tuple[Path, ...],
    *,
    other_versions: bool,
    full: bool,
    **arguments: Any,
) -> None:
    """Run the cell of RECORD again and compare the accuracies. RECORD is not changed."""
    from freeshot.cli.failures import print_failures
    from freeshot.cli.progress import shown
    from freeshot.launch.request import RunRequest
    from freeshot.records.models import RunRecord
    from freeshot.stats.equivalence import equivalence
    from freeshot.workflows.reproduce import rebuild, run_again

    record = RunRecord.read(file)
    session = session_of(ctx, files, arguments["data"])
    with ExitStack() as stack:
        folder = results or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        request = RunRequest(results=folder, **arguments)
        rebuilt = rebuild(record, session.catalogue, request)
        session.warn()
        for difference in rebuilt.differences:
            print_finding(difference.text, severe=difference.weight != "surroundings")
        blocking = {"cell"} if other_versions else {"cell", "version"}
        if rebuilt.cell is None or any(difference.weight in blocking for difference in rebuilt.differences):
            print_error("The installed code and data would give a different cell, so it was not run.")
            ctx.exit(1)
        with shown(session.host.manager) as display:
            new_record = run_again(rebuilt.cell, session.catalogue, request)
    if new_record.status != "ok":
        print_failures(display.failures, full=full)
        print_error(
            f"The cell {new_record.status}."
            if display.failures
            else f"The cell {new_record.status}: {new_record.reason}"
        )
        ctx.exit(1)
    if reused := [stage.stage for stage in new_record.stages if stage.cached]:  # they were not reproduced
        print_warning(
            f"Loaded from {request.cache}, not recomputed: {', '.join(reused)}. Use an empty --cache to recompute "
            "everything."
        )
    result = equivalence(new_record.accuracies, record.accuracies, margin / 100)
    _print(record, result, margin)
    if result.agreement not in ("the same bits", "equivalent"):
        ctx.exit(1)


def _print(record: RunRecord, result: Equivalence, margin: float) -> None:
    interval = result.interval
    print_line(
        f"Over {len(record.accuracies)} episodes: new − recorded {100 * interval.mean:+.2f} points, 90 % interval "
        f"{100 * interval.low:+.2f} … {100 * interval.high:+.2f}; one-sided p {p_value(result.p_low)} against "
        f"−{margin:g}, {p_value(result.p_high)} against +{margin:g}."
    )
    print_line(MEANING[result.agreement].format(margin=margin))
