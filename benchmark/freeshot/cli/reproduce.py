"""`freeshot reproduce`: run the cell of a record again, and say whether the same came out."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from freeshot.cli.console import p_value, stdout, tell_error, tell_warning
from freeshot.cli.session import plugin_files, pools_folder, session_of

if TYPE_CHECKING:
    from freeshot.basics.equivalence import Equivalence
    from freeshot.contracts.records import RunRecord
    from freeshot.run.reproduce import Rebuilt

FOLDER = click.Path(path_type=Path, file_okay=False)
MEANING = {
    "the same bits": "The same bits: every episode has the accuracy on record.",
    "equivalent": "Equivalent: both one-sided tests reject at 5 %, so the difference lies within ±{within:g} points.",
    "different": "Different: the 90 % interval lies wholly outside of ±{within:g} points.",
    "not shown": "Not shown: the 90 % interval reaches beyond ±{within:g} points, so neither is shown.",
}


@click.command("reproduce")
@click.argument("file", metavar="RECORD", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--within", type=click.FloatRange(min=0, min_open=True), default=0.5, help="Points that are no difference."
)
@click.option("--other-versions", is_flag=True, help="Run although a plugin has another version than on record.")
@click.option("--device", type=click.Choice(["cpu", "cuda", "auto"]), default="cpu", help="Where to compute.")
@click.option("--results", type=FOLDER, help="Where the new record goes; without it, it is not kept.")
@click.option("--cache", type=FOLDER, default=Path(".freeshot"), help="Where what can be reused goes.")
@click.option("--data", type=FOLDER, default=Path("data"), help="Where your images are.")
@click.option("--pool", metavar="NAME_OR_DIR", help="Where a pool of yours is now, if not in the folder of pools.")
@pools_folder()
@plugin_files()
@click.pass_context
def command(
    ctx: click.Context,
    file: Path,
    within: float,
    device: str,
    results: Path | None,
    cache: Path,
    data: Path,
    pool: str | None,
    pools: Path,
    files: tuple[Path, ...],
    *,
    other_versions: bool,
) -> None:
    """Run the cell of RECORD again and compare it episode by episode; the record itself is left as it is."""
    from freeshot.basics.equivalence import equivalence
    from freeshot.cli.progress import shown
    from freeshot.contracts.records import RunRecord
    from freeshot.run.reproduce import rebuild, run_again
    from freeshot.run.request import RunRequest

    record = RunRecord.read(file)
    session = session_of(ctx)
    session.take_in(files)
    session.use_data(data)
    with ExitStack() as stack:
        folder = results or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        request = RunRequest(results=folder, cache=cache, data=data, device=device, pool=pool, pools=pools)
        rebuilt = rebuild(record, session.catalogue, request)
        session.warn()
        _tell(rebuilt)
        if rebuilt.cell is None or any(_stops(d.weight, other_versions=other_versions) for d in rebuilt.differences):
            tell_error("This would not be the cell of the record, so it is not run.")
            ctx.exit(1)
        with shown(session.host.manager):
            again = run_again(rebuilt.cell, session.catalogue, request)
    if again.status != "ok":
        tell_error(f"The cell is {again.status}: {again.reason}")
        ctx.exit(1)
    _caution(again, cache)
    found = equivalence(again.accuracies, record.accuracies, within / 100)
    _print(record, found, within)
    if found.agreement not in ("the same bits", "equivalent"):
        ctx.exit(1)


def _stops(weight: str, *, other_versions: bool) -> bool:
    return weight == "cell" or (weight == "version" and not other_versions)


def _tell(rebuilt: Rebuilt) -> None:
    from rich.text import Text

    from freeshot.basics.text import one_line

    for difference in rebuilt.differences:
        mark = Text("· ", style="yellow") if difference.weight == "surroundings" else Text("✗ ", style="red")
        stdout().print(mark + Text(one_line(difference.text)), soft_wrap=True)


def _caution(again: RunRecord, cache: Path) -> None:
    """Say which stages were not made again: those prove nothing."""
    if reused := [stage.stage for stage in again.stages if stage.cached]:
        tell_warning(f"Taken from {cache}, not made again: {', '.join(reused)}. An empty --cache makes all again.")


def _print(record: RunRecord, found: Equivalence, within: float) -> None:
    console, interval = stdout(), found.interval
    console.print(
        f"Over {len(record.accuracies)} episodes: now − record {100 * interval.mean:+.2f} points, 90 % interval "
        f"{100 * interval.low:+.2f} … {100 * interval.high:+.2f}; p {p_value(found.p_low)} of lying below "
        f"−{within:g}, p {p_value(found.p_high)} of lying above +{within:g}.",
        soft_wrap=True,
    )
    console.print(MEANING[found.agreement].format(within=within), soft_wrap=True)
