"""`freeshot recycle`: turn a pool of LoRAs into one meta-LoRA."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from freeshot.cli.console import arithmetic, duration, stdout, table
from freeshot.cli.session import session_of

if TYPE_CHECKING:
    from rich.console import Console

    from freeshot.run.forecast import Forecast

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command("recycle")
@click.argument("pool", metavar="NAME_OR_DIR")
@click.option("--out", type=FOLDER, required=True, help="Folder for the adapter.")
@click.option("--like", metavar="SUITE", help="Take the options that this suite runs the method with.")
@click.option(
    "--option", "-o", "options", multiple=True, metavar="KEY=VALUE", help="Set an option of the method; repeatable."
)
@click.option("--method", metavar="NAME", default="lora-recycle", help="Method that trains the adapter.")
@click.option("--shot", type=click.IntRange(min=1), default=1, help="Examples per class that it is to be good at.")
@click.option("--backbone", metavar="NAME", help="Network of the pool, where its card does not name one that is known.")
@click.option("--seed", type=int, default=0, help="Root seed.")
@click.option("--cache", type=FOLDER, default=Path(".freeshot"), help="Where what can be reused goes.")
@click.option("--device", type=click.Choice(["cpu", "cuda", "auto"]), default="cpu", help="Where to compute.")
@click.option("--sheets", is_flag=True, help="Also save what was recovered from each LoRA as a picture.")
@click.option("--dry-run", is_flag=True, help="Only say what it would cost.")
@click.pass_context
def command(ctx: click.Context, /, *, dry_run: bool, **asked: Any) -> None:
    """Invert the LoRAs of a pool and meta-train one LoRA on what comes out; an interrupted run continues."""
    from freeshot.run.recycle import RecycleRequest, plan_recycling

    session = session_of(ctx)
    job = plan_recycling(RecycleRequest(**asked), session.catalogue)
    session.warn()
    console = stdout()
    _print_forecast(console, job.forecast())
    if dry_run:
        return
    from freeshot.cli.progress import shown

    with shown(session.host.manager):
        job.run()
    console.print(f"The adapter is in {asked['out']}; 'freeshot predict --adapter' uses it, and so does PEFT.")


def _print_forecast(console: Console, forecast: Forecast) -> None:
    if not forecast.stages:
        console.print("What this costs is not known beforehand.")
        return
    rows = [(s.stage, s.what, arithmetic(s.operations), duration(s.seconds)) for s in forecast.stages]
    table(console, rows, heads=("stage", "work", "arithmetic", "about"))
    console.print(f"Together about {duration(forecast.seconds)} here, less what is in the cache.")
