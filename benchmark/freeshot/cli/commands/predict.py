"""`freeshot predict`: classify images with an adapter and a few labelled examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click
from rich.progress import Progress

from freeshot.basics.errors import OptionError
from freeshot.basics.files import require_writable, write_text
from freeshot.basics.text import counted
from freeshot.cli import options
from freeshot.cli.console import print_line, print_warning, stderr, table
from freeshot.cli.context import session_of

if TYPE_CHECKING:
    from freeshot.evaluation.picture_predictions import PicturePredictions

MOST_WARNINGS = 10
"""Skipped images that are named on the terminal; JSON and the contact sheet name all."""
OUT = click.Path(path_type=Path, dir_okay=False)


@click.command("predict")
@click.option(
    "--adapter", type=options.FILE, help="Folder of the adapter, or of a LoRA; default: the backbone without adapter."
)
@click.option("--support", type=options.FILE, required=True, help="Labelled images: one folder per class.")
@click.option("--query", type=options.FILE, required=True, help="Images to classify: a folder or a file.")
@click.option("--backbone", "-b", metavar="NAME", help="Backbone; default: the one the adapter was trained on.")
@click.option("--strict", is_flag=True, help="Refuse images that cannot be read, instead of skipping them.")
@click.option("--batch", type=click.IntRange(min=1), metavar="N", help="Images per forward pass. Default: automatic.")
@click.option("--format", "-f", "shape", type=click.Choice(["table", "csv", "json"]), help="Output. [default: table]")
@click.option("--out", type=OUT, help="Save the predictions in this file, .csv or .json, instead of printing them.")
@click.option("--sheet", type=OUT, help="Save a contact sheet of the images in this file, .html.")
@options.device
@click.pass_context
def command(
    ctx: click.Context,
    adapter: Path | None,
    support: Path,
    query: Path,
    backbone: str | None,
    strict: bool,
    batch: int | None,
    shape: str | None,
    out: Path | None,
    sheet: Path | None,
    device: str,
) -> None:
    """Classify images by the nearest class mean of a few labelled examples. Nothing is trained.

    Where the images lie in folders named after the classes, their accuracy and confusions are printed, too.
    """
    from freeshot.data.image_folder import left_out, stray_images
    from freeshot.workflows.predict import open_learner, predict_folders
    from freeshot.workflows.prediction_sheet import save_prediction_sheet

    _require_file(out, "--out", (".csv", ".json"))
    _require_file(sheet, "--sheet", (".html", ".htm"))
    learner, opened = open_learner(session_of(ctx).catalogue, adapter, backbone, device)
    # before the error about a class that has no other file
    for sentence in filter(None, (left_out(support, query), stray_images(support))):
        print_warning(sentence)
    with _progress_bar() as on_step:
        predictions = predict_folders(
            learner, support, query, opened.image_size, opened.device, strict=strict, batch=batch, on_step=on_step
        )
    _warn(predictions.skipped)
    machine_readable = shape in ("csv", "json")
    if machine_readable:
        click.echo(_text(predictions, f".{shape}"), nl=False)
    else:
        _print(predictions, listed=out is None or shape == "table")
    if out is not None:
        write_text(out, _text(predictions, out.suffix.lower()))
    if sheet is not None:
        settings = (f"Backbone: {opened.name}. Adapter: {adapter or 'none'}. Support images: {support}.",)
        save_prediction_sheet(predictions, sheet, settings)
    for path in () if machine_readable else filter(None, (out, sheet)):
        print_line(f"Saved {path}.")


def _require_file(path: Path | None, option: str, endings: Sequence[str]) -> None:
    """Require an ending, and a folder that can be written, before anything is computed."""
    if path is None:
        return
    if path.suffix.lower() not in endings:
        raise OptionError(f"{option} {path} must end in {' or '.join(endings)}. Choose another name.")
    require_writable(path.parent, option)


@contextmanager
def _progress_bar() -> Iterator[Callable[[int, int], None]]:
    """Show a bar on a terminal while images are embedded."""
    console = stderr()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("images", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _warn(skipped: Sequence[str]) -> None:
    for sentence in skipped[:MOST_WARNINGS]:
        print_warning(f"Skipped: {sentence}")
    if (more := len(skipped) - MOST_WARNINGS) > 0:
        print_warning(f"Skipped {counted(more, 'more image')}.")


def _text(predictions: PicturePredictions, ending: str) -> str:
    from freeshot.render.picture_predictions import as_csv, as_json

    return as_csv(predictions) if ending == ".csv" else as_json(predictions)


def _print(predictions: PicturePredictions, *, listed: bool) -> None:
    """Print the predictions, if they are to be listed, and the accuracy and confusions, if there are any."""
    from freeshot.render.picture_predictions import accuracy_text, confusion_rows, table_rows

    if listed:
        heads, rows = table_rows(predictions)
        table(rows, heads)
    if text := accuracy_text(predictions):
        if listed:
            print_line("")
        print_line(text)
        heads, rows = confusion_rows(predictions)
        table(rows, heads)
