"""`freeshot data`: list and check data sets, add one from a folder or CSV file, or remove such a one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from freeshot.cli.console import print_line, print_warning, table
from freeshot.cli.context import session_of
from freeshot.cli.group import HelpfulGroup
from freeshot.cli.options import FILE, data_folder, pools_folder

if TYPE_CHECKING:
    from freeshot.data.verify import DatasetReport

SHOWN = 10
"""Number of broken images, and of near-duplicate pairs, that are listed; the rest is counted."""


def _numbers(_ctx: click.Context, _parameter: click.Parameter, value: str) -> tuple[float, ...]:
    """Parse '0.6,0.2,0.2'."""
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"'{value}' is not a list of numbers; expected e.g. 0.6,0.2,0.2.") from None


@click.group("data", cls=HelpfulGroup)
def command() -> None:
    """List and check data sets, or add and remove your own."""


@command.command("list")
@data_folder
@click.pass_context
def list_(ctx: click.Context, data: Path) -> None:
    """List the data sets with domain, licence and splits, and whether their files are present."""
    from freeshot.data.lookup import classes_and_availability, dataset_by_name

    session = session_of(ctx, data=data)
    rows = []
    for name in session.catalogue.names("dataset"):
        dataset = dataset_by_name(session.catalogue, name)
        classes, is_available = classes_and_availability(dataset, data)
        rows.append((name, dataset.domain, dataset.license, classes, "present" if is_available else "missing"))
    table(rows, heads=("name", "domain", "licence", "classes", "files"))


@command.command("get")
@click.argument("name")
@data_folder
@click.pass_context
def get(ctx: click.Context, name: str, data: Path) -> None:
    """Download the data set NAME, if its publisher offers it without registration, and count its images.

    An interrupted download resumes. Nothing is opened before its checksum is compared, if the publisher gives one.
    """
    from freeshot.basics.errors import DataError
    from freeshot.contracts.dataset import RemoteFile
    from freeshot.data.fetch import get_files
    from freeshot.data.lookup import dataset_by_name
    from freeshot.data.verify import check_dataset

    dataset = dataset_by_name(session_of(ctx, data=data).catalogue, name)
    files = dataset.remote_files()
    if not files and not dataset.is_available(data):
        try:
            dataset.load("novel", data)  # its error names the files and where they are from
        except DataError as error:
            raise DataError(f"'{name}' cannot be downloaded by this command. {error}") from None
    if not dataset.is_available(data):
        print_line(f"{name}: {', '.join(file.address for file in files)}. Licence: {dataset.license or 'not stated'}.")
        with Progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()) as bars:
            tasks = {file.name: bars.add_task(file.name, total=None) for file in files}

            def report(file: RemoteFile, done: int, total: int) -> None:
                bars.update(tasks[file.name], completed=done, total=total)

            get_files(files, data / name, report)
    _print(check_dataset(dataset, data, decode=False))


@command.command("check")
@click.argument("name")
@data_folder
@click.option("--quick", is_flag=True, help="Only count the images, do not open them.")
@click.option(
    "--radius",
    metavar="N",
    type=click.IntRange(0, 16),
    default=4,
    help="Report near-duplicates that differ in at most N of 64 hash bits.",
)
@click.pass_context
def check(ctx: click.Context, name: str, data: Path, quick: bool, radius: int) -> None:
    """Check the data set NAME: class counts, hashes, broken images, near-duplicates across base and novel."""
    from freeshot.cli.progress import shown
    from freeshot.contracts.events import Progress
    from freeshot.data.lookup import dataset_by_name
    from freeshot.data.verify import check_dataset

    session = session_of(ctx, data=data)
    dataset = dataset_by_name(session.catalogue, name)
    with shown(session.host.manager) as display:

        def report(done: int, total: int) -> None:
            display.advance(Progress(name, "check", done, total))

        result = check_dataset(dataset, data, decode=not quick, radius=radius, on_step=report)
    _print(result)
    if result.broken:
        ctx.exit(1)


@command.command("add")
@click.argument("name")
@click.argument("path", metavar="FOLDER_OR_CSV", type=FILE)
@click.option(
    "--split",
    type=FILE,
    help="Split file, CSV (label,split) or JSON; default: the column of the CSV file, or --shares.",
)
@click.option(
    "--shares", default="0.6,0.2,0.2", callback=_numbers, help="Shares of base, validation and novel classes."
)
@click.option("--seed", type=int, default=0, help="Random seed of the split.")
@click.option("--way", type=click.IntRange(min=2), default=5, help="Classes per episode.")
@click.option("--shot", type=click.IntRange(min=1), default=1, help="Labelled images per class.")
@click.option("--query", type=click.IntRange(min=1), default=15, help="Query images per class.")
@click.option("--episodes", type=click.IntRange(1, 100_000), default=600, help="Number of episodes.")
@click.option("--pool", metavar="NAME", help="LoRA pool of the track; default: that of the main suite.")
@pools_folder
@click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="DATASET",
    help="Data set the pool was trained on; default: as recorded in the pool. Repeatable.",
)
@click.option("--backbone", "-b", metavar="NAME", help="Backbone of the track; default: that of the main suite.")
@click.option(
    "--fit",
    type=click.Choice(["square", "centre"]),
    default="square",
    help="How images are made square: resize, or crop the centre.",
)
@click.option("--domain", default="", help="Domain of the images, e.g. satellite.")
@click.option("--license", default="", help="Licence of the images.")
@data_folder
@click.pass_context
def add(ctx: click.Context, /, **arguments: Any) -> None:
    """Add a data set and a track from a folder of class folders, or from a CSV file (path,label[,split])."""
    from freeshot.data.image_folder import left_out
    from freeshot.data.user_dataset import manifest_path
    from freeshot.workflows.add_dataset import AddRequest, add_dataset

    session = session_of(ctx, data=arguments["data"])
    request = AddRequest(**arguments)
    if sentence := left_out(request.path):  # before the error about a class that has no other file
        print_warning(sentence)
    manifest, result = add_dataset(request, session.catalogue)
    _print(result)
    print_line(f"Split: {manifest.split_from}.")
    print_line(f"Added '{manifest.name}': {manifest_path(request.data, manifest.name)}")
    suite = session.catalogue.main_suite()
    method = (suite and suite.reference) or "METHOD"
    print_line(f"Run it: freeshot run --track {manifest.track.name} --method {method}")


@command.command("remove")
@click.argument("name")
@data_folder
@click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
@click.pass_context
def remove(ctx: click.Context, name: str, data: Path, *, yes: bool) -> None:
    """Remove the data set NAME, which you added, and its track. Images and records are kept."""
    from freeshot.workflows.remove_dataset import plan_removal

    removal = plan_removal(name, data, session_of(ctx, data=data).catalogue)
    if not yes:
        click.confirm(f"Remove the data set '{name}'? Its images and records are kept.", abort=True)
    removal.carry_out()
    print_line(f"Removed '{name}'. Its images were not touched.")


def _print(result: DatasetReport) -> None:
    rows = [
        (split.name, str(split.classes), str(split.images), str(split.fewest), f"{split.sha256[:8]}…")
        for split in result.splits
    ]
    table(rows, heads=("split", "classes", "images", "min per class", "sha256"))
    for line in result.checksums:
        print_line(line)
    for name, reason in result.absent.items():
        print_line(f"No {name} classes: {reason}")
    for sentence in result.broken[:SHOWN]:
        print_warning(sentence)
    if len(result.broken) > SHOWN:
        print_warning(f"{len(result.broken) - SHOWN} more images cannot be read.")
    for pair in result.near_duplicates[:SHOWN]:
        how = "are the same" if pair.same else f"are near-duplicates ({pair.bits} of 64 bits differ)"
        print_warning(f"Base image {pair.base} and novel image {pair.novel} {how}.")
    if (more := len(result.near_duplicates) - SHOWN) > 0:
        print_warning(f"{more} more pairs of a base and a novel image are near-duplicates.")
