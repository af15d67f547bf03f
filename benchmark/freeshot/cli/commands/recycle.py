"""`freeshot recycle`: train one meta-LoRA from a pool of LoRAs."""

from __future__ import annotations

from typing import Any

import rich_click as click

from freeshot.cli import options
from freeshot.cli.console import counted, print_line
from freeshot.cli.context import session_of


@click.command("recycle")
@click.argument("pool", metavar="NAME_OR_DIR")
@click.option("--out", type=options.FOLDER, required=True, help="Output folder of the adapter.")
@click.option(
    "--preset", "-p", metavar="SUITE", help="Use the method options of this suite, e.g. pocket; default: the paper's."
)
@options.component_options()
@click.option("--method", "-m", metavar="NAME", help="Method that trains the adapter; default: the main suite's.")
@click.option("--shot", type=click.IntRange(min=1), default=1, help="Shots per class to train for.")
@click.option("--backbone", "-b", metavar="NAME", help="Backbone of the pool; default: the one named in the pool.")
@click.option("--seed", type=int, default=0, help="Random seed.")
@options.cache_folder
@options.device
@options.precision
@click.option("--sheets", is_flag=True, help="Also save the surrogate images of each LoRA as a picture.")
@click.option("--dry-run", is_flag=True, help="Check the arguments and print what would be trained.")
@click.pass_context
def command(ctx: click.Context, /, *, dry_run: bool, **arguments: Any) -> None:
    """Train one meta-LoRA from a pool of LoRAs, without real data, and save it as an adapter.

    An interrupted run resumes where it stopped.
    """
    from freeshot.workflows.export_adapter import RecycleRequest, plan_recycling

    session = session_of(ctx)
    job = plan_recycling(RecycleRequest(**arguments), session.catalogue)
    session.warn()
    track, spec = job.cell.track, job.cell.spec
    print_line(
        f"{spec.method.name} on {counted(len(job.pool), 'LoRA')} of '{job.pool.name}' for {track.way}-way "
        f"{track.shot}-shot tasks on {track.backbone}."
    )
    if dry_run:
        return
    from freeshot.cli.progress import shown

    with shown(session.host.manager):
        job.run()
    print_line(f"Saved the adapter in {arguments['out']}. Load it with 'freeshot predict --adapter' or with PEFT.")
