"""`freeshot recycle`: train one meta-LoRA from a pool of LoRAs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import rich_click as click

from freeshot.basics.text import counted
from freeshot.cli import options
from freeshot.cli.commands.evaluate import warn_of_left_out
from freeshot.cli.console import duration, print_line
from freeshot.cli.context import session_of

if TYPE_CHECKING:
    from freeshot.workflows.recycle_gain import Gain
    from freeshot.workflows.recycle_request import Choices


@click.command("recycle")
@click.argument("pool", metavar="NAME_OR_DIR")
@click.option("--out", type=options.FILE, required=True, help="Output folder of the adapter.")
@click.option(
    "--preset",
    "-p",
    metavar="NAME",
    help="quick (minutes on two cores), good, or paper (the method's defaults); or a suite, for its options. Default: "
    "the most thorough one that takes at most --budget.",
)
@click.option(
    "--budget",
    metavar="MINUTES",
    type=click.FloatRange(min=0, min_open=True),
    default=15,
    help="Time that the default preset may take on this machine, as estimated.",
)
@options.component_options()
@click.option("--method", "-m", metavar="NAME", help="Method that trains the adapter; default: the main suite's.")
@click.option("--shot", type=click.IntRange(min=1), default=1, help="Shots per class to train for.")
@click.option("--backbone", "-b", metavar="NAME", help="Backbone of the pool; default: the one named in the pool.")
@click.option("--seed", type=int, default=0, help="Random seed.")
@click.option(
    "--images",
    type=options.FILE,
    help="Also measure the gain on these pictures, one folder per class; they are not used for training.",
)
@options.cache_folder
@options.pools_folder
@options.device
@options.precision
@click.option("--sheets", is_flag=True, help="Also save the surrogate images of each LoRA as a picture.")
@click.option("--overwrite", is_flag=True, help="Replace another adapter in --out, or write beside other files.")
@click.option("--dry-run", is_flag=True, help="Check the arguments and print what would be trained and its cost.")
@click.pass_context
def command(ctx: click.Context, /, *, budget: float, dry_run: bool, **arguments: Any) -> None:
    """Train one meta-LoRA from a pool of LoRAs, without real data, and save it as an adapter.

    An interrupted run resumes where it stopped.
    """
    from freeshot.workflows.export_adapter import RecycleRequest, plan_recycling

    session = session_of(ctx)
    warn_of_left_out(arguments["images"])
    job = plan_recycling(RecycleRequest(**arguments, budget=60 * budget), session.catalogue)
    session.warn()
    track, spec = job.cell.track, job.cell.spec
    print_line(
        f"{spec.method.name} on {counted(len(job.pool), 'LoRA')} of '{job.pool.name}' for {track.way}-way "
        f"{track.shot}-shot tasks on {track.backbone}."
    )
    for sentence in choices_text(job.choices, budget):
        print_line(sentence)
    if dry_run:
        return
    from freeshot.cli.progress import shown

    with shown(session.host.manager):
        result = job.run()
    for gain in result.gains:
        print_line(gain_text(gain))
    print_line(f"Saved the adapter in {arguments['out']}. Load it with 'freeshot predict --adapter' or with PEFT.")


def choices_text(choices: Choices, budget: float) -> Iterator[str]:
    """Yield what was chosen for the user and why, then the cost."""
    if choices.compared:
        each = ", ".join(f"{name}: {_about(seconds)}" for name, seconds in choices.compared.items())
        seconds = choices.compared[choices.preset]
        reason = "the cheapest, because the time it takes cannot be estimated"
        if choices.repeated:
            reason = "the one of the first run"
        elif seconds is not None:
            reason = f"the most thorough that takes at most {budget:g} min here"
            if seconds > 60 * budget:
                reason = f"the cheapest, though it takes more than {budget:g} min here"
        yield f"Preset: {choices.preset}, {reason} ({each})."
    yield from choices.notes
    if choices.cost is None:
        yield "Cost: unknown, because this method's steps cannot be counted in advance."
        return
    stages = ", ".join(f"{stage} {_about(seconds)}" for stage, seconds in choices.cost.stages.items())
    cached = f"; {100 * choices.cost.cached:.0f} % of the inversion is in the cache" if choices.cost.cached else ""
    yield f"Cost: about {_about(choices.cost.seconds)} here ({stages}{cached})."


def _about(seconds: float | None) -> str:
    return "unknown" if seconds is None else duration(seconds)


def gain_text(gain: Gain) -> str:
    """Describe a gain, and what it means."""
    numbers = (
        f"{100 * gain.before:.1f} % → {100 * gain.after:.1f} % "
        f"({100 * gain.difference.mean:+.1f} ± {100 * gain.difference.half_width:.1f} points) in {gain.way}-way "
        f"{gain.shot}-shot tasks"
    )
    if gain.on == "pictures":
        return f"Gain on your pictures of {gain.classes} classes: {numbers}."
    return (
        f"Gain on synthesised images of {gain.classes} classes held out of training: {numbers}. It measures what was "
        "learned from the pool, not how good the adapter is on photographs; --images DIR and 'freeshot evaluate' do."
    )
