"""`freeshot pool`: list, show, build, check, import and remove pools of LoRAs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click
from rich.progress import track

from freeshot.basics.errors import OptionError
from freeshot.basics.text import counted
from freeshot.cli.console import print_line, print_warning, stderr, stdout, table
from freeshot.cli.context import session_of
from freeshot.cli.group import HelpfulGroup
from freeshot.cli.options import FILE, FOLDER, data_folder, device, pools_folder, precision
from freeshot.contracts.pool import LoraPool
from freeshot.plugin.catalogue import Catalogue

if TYPE_CHECKING:
    from freeshot.pool.import_pool import ExaminedLora

SHOWN = 10
"""Number of LoRAs that a message lists by name; the rest is counted."""
UNVERIFIED = (
    "Not verified: {}. The shapes fit this backbone, but only labelled images show whether a LoRA was tuned on its "
    "weights: import with --images DIR."
)


def _targets(_ctx: click.Context, _parameter: click.Parameter, value: str) -> tuple[str, ...]:
    """Parse 'q,v' into layer names without duplicates."""
    return tuple(dict.fromkeys(part.strip() for part in value.split(",")))


@click.group("pool", cls=HelpfulGroup)
def command() -> None:
    """List, show, build, check, import or remove LoRA pools."""


@command.command("list")
@pools_folder
@click.pass_context
def list_(ctx: click.Context, pools: Path) -> None:
    """List the pools of plugins, your pools, and planned pools that are not built yet."""
    from freeshot.cli.commands.list_ import rows_of

    rows = [(name.strip(), *rest) for name, *rest in rows_of(session_of(ctx).catalogue, "pool", pools)]
    table(rows or [("none", "", "")], heads=("name", "folder or build command", "origin"))


@command.command("build")
@click.argument("name")
@click.option(
    "--source", "sources", multiple=True, metavar="DATASET", help="Data set whose base classes are used. Repeatable."
)
@click.option("--count", type=click.IntRange(min=1), help="Number of LoRAs.")
@click.option("--out", type=FOLDER, help="Output folder; default: pools/NAME.")
@click.option("--backbone", "-b", metavar="NAME", help="Backbone; NAME:KEY=VALUE,… sets its options.")
@click.option("--rank", type=click.IntRange(min=1), default=4, help="Rank of each LoRA.")
@click.option("--targets", default="q,v", show_default=True, callback=_targets, help="Layers that get a LoRA.")
@click.option("--steps", type=click.IntRange(min=1), default=150, help="Optimiser steps per LoRA.")
@click.option("--batch", type=click.IntRange(min=1), default=32, help="Batch size per LoRA.")
@click.option("--lr", type=click.FloatRange(min=0, min_open=True), default=1e-3, help="Initial learning rate (Adam).")
@click.option(
    "--head-lr", type=click.FloatRange(min=0), default=0.0, help="Initial learning rate of the heads; 0: as --lr."
)
@click.option("--flip/--no-flip", default=True, help="Flip half of the training images.")
@click.option(
    "--shift", type=click.FloatRange(0, 1), default=0.0, help="Shift training images by up to this share of their size."
)
@click.option(
    "--clip", type=click.FloatRange(min=0), default=0.0, help="Gradient norm to clip to, per LoRA; 0: no clipping."
)
@click.option(
    "--penalty",
    type=(str, click.FloatRange(min=0, min_open=True)),
    metavar="NAME WEIGHT",
    help="Penalty on the LoRAs, of a plugin, and its weight.",
)
@click.option("--way", type=click.IntRange(min=2), default=5, help="Classes per LoRA.")
@click.option(
    "--held-out-images",
    type=click.IntRange(min=0),
    default=0,
    help="Images of each class that the held-out accuracy is measured on; 0: a fifth of the class.",
)
@click.option("--seed", type=int, default=0, help="Random seed.")
@click.option("--at-once", type=click.IntRange(min=1), default=8, help="Number of LoRAs trained in parallel.")
@device
@precision
@data_folder
@click.option("--dry-run", is_flag=True, help="Only count images and operations; needs no images.")
@click.pass_context
def build(ctx: click.Context, /, name: str, out: Path | None, *, dry_run: bool, **arguments: Any) -> None:
    """Train LoRAs on random few-way tasks and save them as the pool NAME. An interrupted build resumes.

    If a plugin has a plan for a pool of this name, the plan provides the defaults.
    """
    from freeshot.cli.progress import shown
    from freeshot.pool.build import PoolRequest, build_pool
    from freeshot.pool.locate import require_pool_name

    session = session_of(ctx, data=arguments["data"])
    require_pool_name(name, session.catalogue)
    request = PoolRequest(name=name, out=out or Path("pools") / name, **_with_plan(ctx, session.catalogue, arguments))
    session.warn()
    if dry_run:
        from freeshot.engine.vit.backbone import named_backbone
        from freeshot.pool.build import cost_of
        from freeshot.render.format import amount

        operations, images = cost_of(request, named_backbone(session.catalogue, request.backbone, request.device))
        print_line(
            f"{request.count} LoRAs, {request.steps} steps of {request.batch} images each: {images:,} images forward "
            f"and backward, {amount(operations, 'FLOP')}. Loading images and evaluating the held-out ones are not "
            "included."
        )
        return
    with shown(session.host.manager):
        pool = build_pool(request, session.catalogue, session.host)
    stdout().print(f"Saved the pool '{pool.name}' ({counted(len(pool), 'LoRA')}) in {pool.path}.", soft_wrap=True)


def _with_plan(ctx: click.Context, catalogue: Catalogue, arguments: dict[str, Any]) -> dict[str, Any]:
    """Fill options that were not set from the plan of this name; OptionError if a required one is in neither."""
    from dataclasses import asdict

    from click.core import ParameterSource

    name = ctx.params["name"]
    if name in catalogue.pool_plans():
        plan = asdict(catalogue.pool_plans()[name])
        unset = {key for key in arguments if ctx.get_parameter_source(key) is ParameterSource.DEFAULT}
        arguments |= {key: plan[key] for key in unset & plan.keys()}
    required = {"source": "sources", "count": "count", "backbone": "backbone"}
    if missing := [option for option, key in required.items() if not arguments[key]]:
        raise OptionError(
            f"There is no plan for a pool '{name}', so its options are required. Set --{' and --'.join(missing)}."
        )
    return arguments


@command.command("import")
@click.argument("folder", metavar="DIR", type=FILE)
@click.option(
    "--backbone", "-b", metavar="NAME", help="Backbone that the LoRAs were trained on; default: the one they name."
)
@click.option("--name", help="Name of the pool; default: the name of DIR.")
@click.option("--out", type=FOLDER, help="Output folder; default: pools/NAME.")
@click.option(
    "--images",
    type=FOLDER,
    help="Labelled images, one folder per class: measure each LoRA on up to 20 images of each of its classes.",
)
@click.option(
    "--at-chance",
    type=click.Choice(["refuse", "keep"]),
    default="refuse",
    help="How to treat a LoRA that is not above chance on --images.",
)
@click.option(
    "--missing-bias", type=click.Choice(["refuse", "zero"]), default="refuse", help="How to treat a head without bias."
)
@click.option("--skip-bad", is_flag=True, help="Skip LoRAs that fail a check.")
@click.option("--license", default="", help="Licence of the LoRAs, saved with the pool.")
@device
@click.pass_context
def import_(
    ctx: click.Context,
    /,
    folder: Path,
    backbone: str | None,
    name: str | None,
    out: Path | None,
    images: Path | None,
    *,
    skip_bad: bool,
    license: str,
    **arguments: Any,
) -> None:
    """Import the LoRAs in DIR as a pool: PEFT adapter folders, or files of the LoRA Recycle authors' code."""
    from freeshot.data.image_folder import left_out, several_classes_in
    from freeshot.engine.vit.backbone import named_backbone
    from freeshot.pool.external_formats import find_loras, inner_loras
    from freeshot.pool.import_pool import ImportRules, examine_loras, require_importable, require_no_pool, store_pool
    from freeshot.pool.locate import require_pool_name
    from freeshot.pool.propose_backbone import propose_backbone

    catalogue = session_of(ctx).catalogue
    name = folder.resolve().name if name is None else name
    require_pool_name(name, catalogue)
    out = out or Path("pools") / name
    require_no_pool(out)
    inner = inner_loras(folder)
    if backbone is None:
        backbone = propose_backbone(folder, catalogue)
        print_line(f"Backbone: {backbone}, as named by the LoRAs.")
    opened = named_backbone(catalogue, backbone, arguments.pop("device"))
    if inner:  # usually the checkpoints of a LoRA
        print_warning(
            f"LoRAs inside the folder of another LoRA are imported separately: {_listed(inner)}. To leave them out, "
            f"move them out of {folder} and import again."
        )
    pictures = {} if images is None else several_classes_in(images)
    if images is not None and (sentence := left_out(images)):
        print_warning(sentence)
    loras = examine_loras(folder, opened, ImportRules(**arguments, pictures=pictures))
    console = stderr()
    total, hidden = len(find_loras(folder)), not console.is_terminal
    examined = list(track(loras, "Checking LoRAs", total, console=console, transient=True, disable=hidden))
    _print_examined(examined, skip_bad=skip_bad)
    require_importable(examined, skip_bad=skip_bad)
    imported = store_pool(examined, out, name, opened, license)
    if unverified := sum(not entry.verified for entry in imported):
        print_line(UNVERIFIED.format(counted(unverified, "LoRA")))
    print_line(f"Imported {counted(len(imported), 'LoRA')}: {_listed([entry.name for entry in imported])}.")
    print_line(f"Saved the pool '{name}' in {imported.path}.")


def _print_examined(examined: Sequence[ExaminedLora], *, skip_bad: bool) -> None:
    """Print a row for each LoRA: what it is, what becomes of it, and why."""
    stopped = any(lora.problem for lora in examined) and not skip_bad
    rows = []
    for lora in examined:
        facts = ("–", "–", "–")
        if lora.lora is not None:
            count = len(lora.lora.head_weight)
            classes = _listed(lora.lora.labels, 3) if lora.lora.labels else f"{count}, unnamed"
            facts = (str(lora.lora.rank), ", ".join(lora.lora.targets), classes)
        verdict = ("refused" if stopped else "skipped") if lora.problem else ("passed" if stopped else "imported")
        reason = lora.problem.replace(f"{lora.folder}/", "") or lora.verification
        rows.append((lora.name, *facts, verdict, reason))
    table(rows, heads=("name", "rank", "targets", "classes", "verdict", "reason"))


def _listed(names: Sequence[str], shown: int = SHOWN) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


@command.command("remove")
@click.argument("name")
@click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
@pools_folder
@click.pass_context
def remove(ctx: click.Context, name: str, pools: Path, *, yes: bool) -> None:
    """Delete one of your pools, with all its files."""
    from freeshot.pool.locate import find_own_pool
    from freeshot.pool.store import delete_pool

    folder = find_own_pool(name, session_of(ctx).catalogue, pools)
    if not yes:
        click.confirm(f"Delete {folder} with all its files?", abort=True)
    delete_pool(folder)
    print_line(f"Removed the pool '{name}'.")


@command.command("show")
@click.argument("pool", metavar="NAME_OR_DIR")
@pools_folder
@click.pass_context
def show(ctx: click.Context, pool: str, pools: Path) -> None:
    """List the LoRAs of a pool."""
    opened = _open(ctx, pool, pools)
    print_line(f"{opened.name}: {counted(len(opened), 'LoRA')} on {opened.backbone} {opened.backbone_hash[:8]}…")
    if opened.license:
        print_line(f"Licence: {opened.license}")
    rows = [(entry.name, str(entry.rank), entry.accuracy_text, ", ".join(entry.classes)) for entry in opened.entries]
    table(rows, heads=("name", "rank", "held-out accuracy", "classes"))


@command.command("check")
@click.argument("pool", metavar="NAME_OR_DIR")
@click.option("--backbone", "-b", metavar="NAME", help="Also check that the LoRAs were trained on this backbone.")
@pools_folder
@click.pass_context
def check(ctx: click.Context, pool: str, backbone: str | None, pools: Path) -> None:
    """Verify every LoRA of a pool."""
    opened = _open(ctx, pool, pools, backbone)
    for entry in opened.entries:
        facts = f"rank {entry.rank}, {len(entry.classes)} classes, {counted(len(entry.factors), 'adapted layer')}"
        print_line(f"{entry.name}: ok ({facts}){'' if entry.verified else ', not verified'}")
    if unverified := sum(not entry.verified for entry in opened):
        print_line(UNVERIFIED.format(counted(unverified, "LoRA")))


def _open(ctx: click.Context, pool: str, pools: Path, backbone: str | None = None) -> LoraPool:
    """Open a pool by name or folder; PoolError if it was not trained on the given backbone."""
    from freeshot.pool.locate import find_pool
    from freeshot.pool.store import open_pool

    catalogue = session_of(ctx).catalogue
    folder = find_pool(pool, catalogue, pools).folder
    if backbone is None:
        return open_pool(folder)
    from freeshot.engine.vit.backbone import named_backbone

    return open_pool(folder, named_backbone(catalogue, backbone).sha256)
