"""`freeshot weights`: list, fetch and check published weights."""

from __future__ import annotations

import rich_click as click

from freeshot.basics.suggestions import unknown_name
from freeshot.basics.system import weights_folder
from freeshot_vision.weights.sources import WeightSource


@click.group("weights")
def command() -> None:
    """List, fetch and check published weights of backbones and priors."""


@command.command("list")
@click.option("--long", is_flag=True, help="Also print file, source and licence.")
def list_(*, long: bool) -> None:
    """List the weights that can be fetched, and whether their files are present."""
    from freeshot_vision.weights.sources import sources
    from freeshot_vision.weights.store import weights_path

    width = max(map(len, sources()))
    for source in sources().values():
        path = weights_path(weights_folder(), source)
        state = "present" if path.is_file() else "missing"
        click.echo(f"{source.name:<{width}}  {state}  {source.megabytes:>3} MB  {source.title}")
        if long:
            facts = {"file": path, "source": source.origin.address, "licence": source.licence, "note": source.remark}
            for label, fact in facts.items():
                click.echo(f"    {label:<7}  {fact}")


@command.command("get")
@click.argument("name")
def get(name: str) -> None:
    """Fetch the weights NAME, verify them, and convert them to safetensors.

    The folder is 'weights', or the one set by FREESHOT_WEIGHTS.
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from freeshot_vision.weights.store import get_weights, weights_path

    source, folder = _source(name), weights_folder()
    click.echo(f"{source.title}: {source.megabytes} MB from {source.origin.address}, licence {source.licence}.")
    click.echo(source.remark)
    with Progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()) as progress:
        task = progress.add_task(name, total=source.megabytes * 10**6)
        card = get_weights(source, folder, lambda done, total: progress.update(task, completed=done, total=total))
        progress.update(task, visible=False)
    click.echo(
        f"{weights_path(folder, source)}: {card.tensors} tensors, {card.parameters:,} weights, "
        f"SHA-256 {card.tensors_sha256[:12]}…"
    )


@command.command("check")
@click.argument("name")
def check(name: str) -> None:
    """Check that the weights NAME are those that were converted; for clip-vit-b16-q8, also against its graph."""
    from freeshot_vision.weights.store import verified_card, weights_path

    source, folder = _source(name), weights_folder()
    card = verified_card(source, folder)
    click.echo(f"{card.title}, from {card.address} (SHA-256 {card.source_sha256[:12]}…), licence {card.licence}.")
    click.echo(f"{card.tensors} tensors, {card.parameters:,} weights: unchanged since their conversion.")
    if source.graph:
        from freeshot_vision.weights.agreement import agreement_with_graph
        from freeshot_vision.weights.fetch import fetched

        with fetched(source.origin, folder / "downloads", lambda _done, _total: None) as (graph, _):
            result = agreement_with_graph(graph, weights_path(folder, source))
        click.echo(
            f"Features of {result.images} random images differ from the published graph's by at most "
            f"{result.largest:.0e} of the largest feature."
        )


def _source(name: str) -> WeightSource:
    from freeshot_vision.weights.sources import sources

    known = sources()
    if name not in known:
        raise unknown_name("published weights", name, known)
    return known[name]
