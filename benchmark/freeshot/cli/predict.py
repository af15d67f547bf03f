"""`freeshot predict`: classify pictures with an adapter and a few labelled examples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from freeshot.cli.console import stdout, table, tell_warning
from freeshot.cli.session import session_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from freeshot.evaluation.predict import Prediction

PLACE = click.Path(path_type=Path)


@click.command("predict")
@click.option("--adapter", type=PLACE, help="Folder of the adapter; without it, the backbone as it is.")
@click.option("--support", type=PLACE, required=True, help="Labelled pictures: one folder per class.")
@click.option("--query", type=PLACE, required=True, help="Pictures to classify: a folder, or one file.")
@click.option("--backbone", metavar="NAME", help="Network; the adapter's if not given.")
@click.option("--format", "shape", type=click.Choice(["table", "csv", "json"]), default="table", help="What to print.")
@click.option("--device", type=click.Choice(["cpu", "cuda", "auto"]), default="cpu", help="Where to compute.")
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
    """Say what each query picture shows, by the nearest class mean of the support pictures; nothing is tuned."""
    from freeshot.basics.errors import OptionError
    from freeshot.data.trees import left_out
    from freeshot.engine.backbone import named_backbone
    from freeshot.engine.learners import AdaptedLearner
    from freeshot.evaluation.folders import open_classes, open_pictures
    from freeshot.evaluation.predict import predict
    from freeshot.pool.adapter import open_adapter, read_adapter_card

    if adapter is not None and backbone is None:
        backbone = read_adapter_card(adapter)["backbone"]
    if backbone is None:
        raise OptionError("Name a network with --backbone, or an adapter, which knows its own, with --adapter.")
    opened = named_backbone(session_of(ctx).catalogue, backbone, device)
    learner = AdaptedLearner(opened, None if adapter is None else open_adapter(adapter, opened))
    side = opened.image_size
    if sentence := left_out(support, query):  # before a class that holds nothing else is refused
        tell_warning(sentence)
    predictions = predict(learner, open_classes(support, side), open_pictures(query, side), opened.device)
    _print(predictions, shape)


def _print(predictions: Sequence[Prediction], shape: str) -> None:
    if shape == "table":
        rows = [(str(p.file), p.label, f"{100 * p.probability:.1f} %") for p in predictions]
        table(stdout(), rows, heads=("picture", "class", "probability"))
    elif shape == "json":
        click.echo(json.dumps([_plain(p) for p in predictions], indent=1, ensure_ascii=False))
    else:
        _print_csv(predictions)


def _print_csv(predictions: Sequence[Prediction]) -> None:
    import csv
    import sys

    classes = list(predictions[0].probabilities)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["picture", "class", *(f"p({name})" for name in classes)])
    for p in predictions:
        writer.writerow([p.file, p.label, *(f"{p.probabilities[name]:.6f}" for name in classes)])


def _plain(prediction: Prediction) -> dict[str, object]:
    return {"picture": str(prediction.file), "class": prediction.label, "probabilities": prediction.probabilities}
