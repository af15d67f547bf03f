"""`freeshot predict`: classify images with an adapter and a few labelled examples."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from freeshot.basics.errors import OptionError
from freeshot.cli import options
from freeshot.cli.console import print_warning, table
from freeshot.cli.context import session_of

if TYPE_CHECKING:
    from freeshot.workflows.predict import Prediction


@click.command("predict")
@click.option("--adapter", type=options.FILE, help="Folder of the adapter; default: the backbone without adapter.")
@click.option("--support", type=options.FILE, required=True, help="Labelled images: one folder per class.")
@click.option("--query", type=options.FILE, required=True, help="Images to classify: a folder or a file.")
@click.option("--backbone", "-b", metavar="NAME", help="Backbone; default: the one the adapter was trained on.")
@click.option(
    "--format", "-f", "shape", type=click.Choice(["table", "csv", "json"]), default="table", help="Output format."
)
@options.device
@click.pass_context
def command(
    ctx: click.Context,
    adapter: Path | None,
    support: Path,
    query: Path,
    backbone: str | None,
    shape: str,
    device: str,
) -> None:
    """Classify images by the nearest class mean of a few labelled examples. Nothing is trained."""
    from freeshot.data.image_folder import left_out, open_classes, open_pictures
    from freeshot.engine.lora.adapted_learner import AdaptedLearner
    from freeshot.engine.vit.backbone import named_backbone
    from freeshot.pool.adapter_folder import open_adapter
    from freeshot.pool.cards import read_adapter_card
    from freeshot.workflows.predict import predict

    if adapter is not None and backbone is None:
        backbone = read_adapter_card(adapter).backbone
    if backbone is None:
        raise OptionError("No backbone given. Set --adapter (which determines the backbone) or --backbone.")
    opened = named_backbone(session_of(ctx).catalogue, backbone, device)
    learner = AdaptedLearner(opened, None if adapter is None else open_adapter(adapter, opened))
    side = opened.image_size
    if sentence := left_out(support, query):  # before the error about a class that has no other file
        print_warning(sentence)
    predictions = predict(learner, open_classes(support, side), open_pictures(query, side), opened.device)
    _print(predictions, shape)


def _print(predictions: Sequence[Prediction], shape: str) -> None:
    if shape == "table":
        rows = [(str(p.file), p.label, f"{100 * p.probability:.1f} %") for p in predictions]
        table(rows, heads=("picture", "class", "probability"))
    elif shape == "json":
        plain = [{"picture": str(p.file), "class": p.label, "probabilities": p.probabilities} for p in predictions]
        click.echo(json.dumps(plain, indent=1, ensure_ascii=False))
    else:
        classes = list(predictions[0].probabilities)
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(["picture", "class", *(f"p({name})" for name in classes)])
        for p in predictions:
            writer.writerow([p.file, p.label, *(f"{p.probabilities[name]:.6f}" for name in classes)])
