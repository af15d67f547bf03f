"""`freeshot pool`: build, show and check pools of LoRAs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from freeshot.basics.errors import OptionError
from freeshot.cli.console import arithmetic, duration, stdout, table, tell_warning
from freeshot.cli.group import HelpfulGroup
from freeshot.cli.session import assumed_rate, pools_folder, session_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from freeshot.contracts.pool import LoraEntry, LoraPool
    from freeshot.plugin.catalogue import Catalogue
    from freeshot.pool.build import PoolRequest

FOLDER = click.Path(path_type=Path, file_okay=False)
SHOWN = 10
"""LoRAs that are named in a line; the others are counted."""


def _targets(_ctx: click.Context, _parameter: click.Parameter, value: str) -> tuple[str, ...]:
    """Read 'q,v' as the names of layers, each once."""
    return tuple(dict.fromkeys(part.strip() for part in value.split(",")))


@click.group("pool", cls=HelpfulGroup)
def command() -> None:
    """Build, show and check pools of LoRAs."""


@command.command("build")
@click.argument("name")
@click.option("--source", "sources", multiple=True, metavar="DATASET", help="Whose base classes; repeatable.")
@click.option("--count", type=click.IntRange(min=1), help="How many LoRAs.")
@click.option("--out", type=FOLDER, help="Folder to write; pools/NAME if not given.")
@click.option("--backbone", metavar="NAME", help="Network to tune; NAME:KEY=VALUE,… sets options.")
@click.option("--rank", type=click.IntRange(min=1), default=4, help="Rank of each LoRA.")
@click.option("--targets", default="q,v", show_default=True, callback=_targets, help="Layers each LoRA acts on.")
@click.option("--steps", type=click.IntRange(min=1), default=150, help="Optimiser steps per LoRA.")
@click.option("--batch", type=click.IntRange(min=1), default=32, help="Images per step and LoRA.")
@click.option(
    "--lr", type=click.FloatRange(min=0, min_open=True), default=1e-3, help="Learning rate of Adam at the start."
)
@click.option("--flip/--no-flip", default=True, help="Show half of the training images mirrored.")
@click.option("--shift", type=click.FloatRange(0, 1), default=0.0, help="Move training images by up to this share.")
@click.option(
    "--clip", type=click.FloatRange(min=0), default=0.0, help="Norm that each LoRA's gradient is clipped to; 0: not."
)
@click.option(
    "--gate", type=click.FloatRange(min=0), default=0.0, help="L1 penalty on gates that close ranks (SoRA); 0: none."
)
@click.option("--way", type=click.IntRange(min=2), default=5, help="Classes per LoRA.")
@click.option("--seed", type=int, default=0, help="Root seed.")
@click.option(
    "--at-once", type=click.IntRange(min=1), default=8, help="LoRAs tuned side by side, and written together."
)
@click.option("--device", type=click.Choice(["cpu", "cuda", "auto"]), default="cpu", help="Where to compute.")
@click.option("--data", type=FOLDER, default=Path("data"), help="Where your images are.")
@click.option("--dry-run", is_flag=True, help="Only say what it would cost; no image is needed.")
@assumed_rate()
@click.pass_context
def build(
    ctx: click.Context, /, name: str, out: Path | None, *, dry_run: bool, rate: float | None, **asked: Any
) -> None:
    """Tune LoRAs on random few-way tasks and store them as the pool NAME; an interrupted build continues.

    Where a plugin plans a pool of this name, options that are not given are the plan's.
    """
    from freeshot.cli.progress import shown
    from freeshot.pool.build import PoolRequest, build_pool
    from freeshot.pool.places import require_pool_name

    session = session_of(ctx)
    session.use_data(asked["data"])
    require_pool_name(name, session.catalogue)
    options = _planned(session.catalogue, name, asked, _given(ctx))
    request = PoolRequest(name=name, out=out or Path("pools") / name, **options)
    session.warn()
    if dry_run:
        _print_cost(stdout(), request, session.catalogue, rate)
        return
    with shown(session.host.manager):
        pool = build_pool(request, session.catalogue, session.host)
    stdout().print(f"The pool '{pool.name}' of {len(pool)} LoRAs is in {pool.path}.", soft_wrap=True)


def _given(ctx: click.Context) -> set[str]:
    """Name the options that were given on the command line."""
    from click.core import ParameterSource

    source = ParameterSource.DEFAULT
    return {name for name in ctx.params if ctx.get_parameter_source(name) is not source}


def _planned(catalogue: Catalogue, name: str, asked: Mapping[str, Any], given: set[str]) -> dict[str, Any]:
    """Fill what was not given from the plan of this name; OptionError where neither says what is needed."""
    from dataclasses import asdict

    plan = catalogue.pool_plans().get(name)
    filled = dict(asked)
    if plan is not None:
        filled |= {key: value for key, value in asdict(plan).items() if key in asked and key not in given}
    missing = [
        option for option in ("source", "count", "backbone") if not filled[{"source": "sources"}.get(option, option)]
    ]
    if missing:
        raise OptionError(
            f"No plugin plans a pool '{name}', so it is to be said how it is built. Give --{' and --'.join(missing)}."
        )
    return filled


def _print_cost(console: Console, request: PoolRequest, catalogue: Catalogue, rate: float | None) -> None:
    from freeshot.engine.backbone import named_backbone
    from freeshot.engine.calibration import operations_per_second
    from freeshot.pool.build import cost_of

    backbone = named_backbone(catalogue, request.backbone, request.device)
    operations, images = cost_of(request, backbone)
    where = f"measured just now ({backbone.device})" if rate is None else "as you assume"
    speed = operations_per_second(backbone) if rate is None else rate
    console.print(
        f"{request.count} LoRAs, {request.steps} steps of {request.batch} images each: {images:,} images forward and "
        f"backward, {arithmetic(operations)}, about {duration(operations / speed)} at {arithmetic(speed)}/s, {where}. "
        "Reading the images is not counted, nor are the looks at those held out.",
        soft_wrap=True,
    )


@command.command("import")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--backbone", required=True, metavar="NAME", help="Network they were tuned on.")
@click.option("--name", help="Name of the pool; the folder's if not given.")
@click.option("--out", type=FOLDER, help="Folder to write; pools/NAME if not given.")
@click.option(
    "--missing-bias", type=click.Choice(["refuse", "zero"]), default="refuse", help="What to do where a head has none."
)
@click.option("--skip-bad", is_flag=True, help="Leave LoRAs that fail a check out, and name them.")
@click.option("--license", default="", help="Licence of the LoRAs, to be kept with the pool.")
@click.option("--device", type=click.Choice(["cpu", "cuda", "auto"]), default="cpu", help="Where to compute.")
@click.pass_context
def import_(
    ctx: click.Context, /, folder: Path, backbone: str, name: str | None, out: Path | None, **asked: Any
) -> None:
    """Read the LoRAs in DIR, PEFT adapter folders or the LoRA Recycle authors' files, into a pool of ours."""
    from freeshot.engine.backbone import named_backbone
    from freeshot.pool.foreign import inner_loras
    from freeshot.pool.importing import import_pool
    from freeshot.pool.places import require_pool_name

    catalogue = session_of(ctx).catalogue
    name = folder.resolve().name if name is None else name
    require_pool_name(name, catalogue)
    opened = named_backbone(catalogue, backbone, asked.pop("device"))
    _tell_inner(inner_loras(folder), folder)
    done = import_pool(folder, out or Path("pools") / name, name, opened, **asked)
    console = stdout()
    for sentence in done.left_out:
        tell_warning(sentence)
    console.print(f"Taken: {_listed([entry.name for entry in done.pool.entries])}.", soft_wrap=True)
    console.print(f"The pool '{name}' of {len(done.pool)} LoRAs is in {done.pool.path}.", soft_wrap=True)


def _tell_inner(inner: Sequence[str], folder: Path) -> None:
    """Warn of LoRAs that lie inside of another one's folder: mostly they are earlier states of it."""
    if inner:
        tell_warning(
            f"What lies inside of another LoRA's folder counts as a LoRA of its own: {_listed(inner)}. Move out of "
            f"{folder} what is to be left out, and import again."
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


@command.command("show")
@click.argument("pool", metavar="NAME_OR_DIR")
@pools_folder()
@click.pass_context
def show(ctx: click.Context, pool: str, pools: Path) -> None:
    """List the LoRAs of a pool, by its name or its folder."""
    opened = _open(ctx, pool, pools)
    console = stdout()
    console.print(
        f"{opened.name}: {len(opened)} LoRAs on {opened.backbone} {opened.backbone_hash[:8]}…", soft_wrap=True
    )
    if opened.license:
        console.print(f"Licence: {opened.license}", soft_wrap=True)
    rows = [(entry.name, str(entry.rank), _accuracy(entry), ", ".join(entry.classes)) for entry in opened.entries]
    table(console, rows, heads=("name", "rank", "held-out accuracy", "classes"))


@command.command("check")
@click.argument("pool", metavar="NAME_OR_DIR")
@click.option("--backbone", metavar="NAME", help="Also check that the LoRAs were tuned on this network.")
@pools_folder()
@click.pass_context
def check(ctx: click.Context, pool: str, backbone: str | None, pools: Path) -> None:
    """Open a pool, by its name or its folder, and verify every LoRA of it."""
    opened = _open(ctx, pool, pools, backbone)
    console = stdout()
    for entry in opened.entries:
        facts = f"rank {entry.rank}, {len(entry.classes)} classes, {len(entry.factors)} slots"
        console.print(f"{entry.name}: good ({facts})", soft_wrap=True)


def _open(ctx: click.Context, pool: str, pools: Path, backbone: str | None = None) -> LoraPool:
    """Find and open a pool; PoolError where it was not tuned on the backbone that is named."""
    from freeshot.pool.places import find_pool
    from freeshot.pool.store import open_pool

    catalogue = session_of(ctx).catalogue
    folder = find_pool(pool, catalogue, pools).folder
    if backbone is None:
        return open_pool(folder)
    from freeshot.engine.backbone import named_backbone

    return open_pool(folder, named_backbone(catalogue, backbone).sha256)


def _accuracy(entry: LoraEntry) -> str:
    value = entry.facts.get("held_out_accuracy")
    return f"{value:.1%}".replace("%", " %") if isinstance(value, float) else "–"
