"""`freeshot data`: list and check data sets, and add one of your own without code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from freeshot.cli.console import stdout, table, tell_warning
from freeshot.cli.group import HelpfulGroup
from freeshot.cli.session import pools_folder, session_of

if TYPE_CHECKING:
    from rich.console import Console

    from freeshot.data.checking import Found

FOLDER = click.Path(path_type=Path, file_okay=False)
SHOWN = 10
"""Broken images, and pairs that look alike, that are printed; the others are counted."""


def _numbers(_ctx: click.Context, _parameter: click.Parameter, value: str) -> tuple[float, ...]:
    """Read '0.6,0.2,0.2' as numbers."""
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"'{value}' is no list of numbers such as 0.6,0.2,0.2.") from None


@click.group("data", cls=HelpfulGroup)
def command() -> None:
    """List and check data sets; add your own images without code."""


@command.command("list")
@click.option("--data", type=FOLDER, default=Path("data"), help="Where your images are.")
@click.pass_context
def list_(ctx: click.Context, data: Path) -> None:
    """List the data sets: domain, licence, splits, and whether their files are there."""
    from freeshot.data.shelf import on_shelf

    session = session_of(ctx)
    session.use_data(data)
    rows = [
        (entry.name, entry.domain, entry.license, entry.splits, "there" if entry.there else "missing")
        for entry in on_shelf(session.catalogue, data)
    ]
    table(stdout(), rows, heads=("name", "domain", "licence", "classes", "files"))


@command.command("check")
@click.argument("name")
@click.option("--data", type=FOLDER, default=Path("data"), help="Where your images are.")
@click.option("--quick", is_flag=True, help="Count only; do not look at the images.")
@click.option("--radius", type=click.IntRange(0, 16), default=4, help="Bits of 64 in which near-duplicates may differ.")
@click.pass_context
def check(ctx: click.Context, name: str, data: Path, quick: bool, radius: int) -> None:
    """Count and hash the splits of NAME, name broken images, and report what looks alike across base and novel."""
    from freeshot.cli.progress import shown
    from freeshot.contracts.events import Progress
    from freeshot.data.checking import check_dataset
    from freeshot.data.shelf import named_dataset

    session = session_of(ctx)
    session.use_data(data)
    dataset = named_dataset(session.catalogue, name)
    with shown(session.host.manager) as display:

        def tell(done: int, total: int) -> None:
            display.advance(Progress(name, "check", done, total))

        found = check_dataset(dataset, data, look=not quick, radius=radius, on_step=tell)
    _print(stdout(), found)
    if found.broken:
        ctx.exit(1)


@command.command("add")
@click.argument("name")
@click.argument("path", metavar="FOLDER_OR_CSV", type=click.Path(path_type=Path))
@click.option("--split", type=click.Path(path_type=Path), help="Split file: CSV (label,split) or JSON.")
@click.option(
    "--shares", default="0.6,0.2,0.2", callback=_numbers, help="Without one: shares of base, validation, novel classes."
)
@click.option("--seed", type=int, default=0, help="Seed by which classes are dealt out.")
@click.option("--way", type=click.IntRange(min=2), default=5, help="Classes of a task.")
@click.option("--shot", type=click.IntRange(min=1), default=1, help="Labelled images of each class.")
@click.option("--query", type=click.IntRange(min=1), default=15, help="Images of each class to be classified.")
@click.option("--episodes", type=click.IntRange(1, 100_000), default=600, help="Tasks.")
@click.option("--pool", default="pocket", metavar="NAME", help="LoRA pool of the track, yours included.")
@pools_folder()
@click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="DATASET",
    help="What the pool was tuned on; repeatable; else what is known of it.",
)
@click.option("--backbone", default="pocket-vit", metavar="NAME", help="Network of the track.")
@click.option("--fit", type=click.Choice(["square", "centre"]), default="square", help="How pictures become square.")
@click.option("--domain", default="", help="Nature of the pictures in a word.")
@click.option("--license", default="", help="Licence of the pictures.")
@click.option("--data", type=FOLDER, default=Path("data"), help="Where your images are.")
@click.pass_context
def add(ctx: click.Context, /, **asked: Any) -> None:
    """Make a data set and a track out of a folder of class folders, or of a CSV file (path,label[,split])."""
    from freeshot.data.manifest import manifest_path
    from freeshot.data.trees import left_out
    from freeshot.run.adding import AddRequest, add_dataset

    session = session_of(ctx)
    session.use_data(asked["data"])
    request = AddRequest(**asked)
    if sentence := left_out(request.path):  # before a class that holds nothing else is refused
        tell_warning(sentence)
    manifest, found = add_dataset(request, session.catalogue)
    console = stdout()
    _print(console, found)
    console.print(f"Split: {manifest.split_from}.", soft_wrap=True)
    console.print(f"'{manifest.name}' is in {manifest_path(request.data, manifest.name)}.", soft_wrap=True)
    console.print(f"Run it: freeshot run --track {manifest.track.name} --method frozen-prototype", soft_wrap=True)


def _print(console: Console, found: Found) -> None:
    rows = [
        (split.name, str(split.classes), str(split.images), str(split.fewest), f"{split.sha256[:8]}…")
        for split in found.splits
    ]
    table(console, rows, heads=("split", "classes", "images", "fewest per class", "sha256"))
    for line in found.checksums:
        console.print(line, soft_wrap=True)
    for name, reason in found.absent.items():
        console.print(f"No {name} classes: {reason}", soft_wrap=True)
    for sentence in found.broken[:SHOWN]:
        tell_warning(sentence)
    if len(found.broken) > SHOWN:
        tell_warning(f"{len(found.broken) - SHOWN} more images cannot be read.")
    for pair in found.alike[:SHOWN]:
        how = "are the same" if pair.same else f"look alike ({pair.bits} of 64 bits differ)"
        tell_warning(f"Base image {pair.base} and novel image {pair.novel} {how}.")
    if len(found.alike) > SHOWN:
        tell_warning(f"{len(found.alike) - SHOWN} more pairs of a base and a novel image look alike.")
