"""Options and arguments that several verbs share, each with one spelling and one help text."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import rich_click as click

from freeshot.basics.errors import StoreError

Decorator = Callable[[Any], Any]

FILE = click.Path(path_type=Path)
FOLDER = click.Path(path_type=Path, file_okay=False)

results_argument = click.argument("results", metavar="[DIR]", type=FOLDER, default=Path("results"))
pools_folder = click.option("--pools", type=FOLDER, default=Path("pools"), help="Directory of your LoRA pools.")
data_folder = click.option("--data", type=FOLDER, default=Path("data"), help="Directory of your data sets.")
cache_folder = click.option("--cache", type=FOLDER, default=Path(".freeshot"), help="Cache directory.")


def _measured(ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    return measured(value, ctx.params.get("device") or "cpu")


def measured(precision: str, on: str) -> str:
    """Replace 'auto' by the precision that is faster on a device, and print it."""
    if precision != "auto":
        return precision
    from freeshot.cli.console import print_line
    from freeshot.engine.devices import choose_device
    from freeshot.engine.vit.bf16 import faster_precision

    device = choose_device(on)
    chosen, speedup = faster_precision(device)
    print_line(f"Precision: {chosen} (on {device.type}, bf16 is {speedup:.1f} times as fast as fp32).")
    return chosen


device = click.option(
    "--device", type=click.Choice(["cpu", "cuda", "auto"]), default="cpu", is_eager=True, help="Device to compute on."
)
precision = click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16", "auto"]),
    default="fp32",
    callback=_measured,
    help="Precision of the frozen backbone's passes; auto: measure which is faster on the device.",
)
full_traceback = click.option(
    "--traceback",
    "full",
    is_flag=True,
    envvar="FREESHOT_DEBUG",
    help="Print full tracebacks. FREESHOT_DEBUG=1 does the same.",
)

# options whose help, or eagerness, depends on the verb
plugin_files = partial(
    click.option, "--plugin", "files", multiple=True, metavar="FILE", type=FILE,
    help="Load a plugin from a single file. Repeatable.",
)  # fmt: skip
component_options = partial(
    click.option, "--option", "-o", "options", multiple=True, metavar="KEY=VALUE",
    help="Set an option of the method, e.g. -o learner=reptile. Repeatable.",
)  # fmt: skip
suite = partial(click.option, "--suite", "-s", metavar="NAME")
tracks = partial(click.option, "--track", "-t", "tracks", multiple=True, metavar="PATTERN")
methods = partial(click.option, "--method", "-m", "methods", multiple=True, metavar="NAME")


def margin(*, zero: bool = False) -> Decorator:
    """Add --margin POINTS, the equivalence margin; `zero` allows 0."""
    return click.option(
        "--margin",
        metavar="POINTS",
        type=click.FloatRange(min=0, min_open=not zero),
        default=0.5,
        help="Equivalence margin, in accuracy points.",
    )


def require_results(folder: Path) -> None:
    """Raise StoreError if DIR does not exist."""
    if not folder.is_dir():
        raise StoreError(
            f"The folder {folder} does not exist. Create records with 'freeshot run', or pass another DIR."
        )


def no_records(folder: Path) -> StoreError:
    """Return the error of a DIR without records."""
    return StoreError(f"There are no records in {folder}. Make some with 'freeshot run', or give another DIR.")
