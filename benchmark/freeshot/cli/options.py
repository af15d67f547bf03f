"""Options and arguments that several verbs share, each with one spelling and one help text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from freeshot.basics.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    Decorator = Callable[[Any], Any]

FILE = click.Path(path_type=Path)
FOLDER = click.Path(path_type=Path, file_okay=False)

results_argument = click.argument("results", metavar="[DIR]", type=FOLDER, default=Path("results"))
pools_folder = click.option("--pools", type=FOLDER, default=Path("pools"), help="Directory of your LoRA pools.")
data_folder = click.option("--data", type=FOLDER, default=Path("data"), help="Directory of your data sets.")
cache_folder = click.option("--cache", type=FOLDER, default=Path(".freeshot"), help="Cache directory.")


def _measured(ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Replace 'auto' by the precision that is faster on the device, and print it."""
    if value != "auto":
        return value
    from freeshot.cli.console import print_line
    from freeshot.engine.devices import choose_device
    from freeshot.engine.vit.bf16 import faster_precision

    device = choose_device(ctx.params.get("device") or "cpu")
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


def plugin_files(*, is_eager: bool = False) -> Decorator:
    """Add --plugin FILE, the option for single-file plugins."""
    return click.option(
        "--plugin",
        "files",
        multiple=True,
        metavar="FILE",
        type=FILE,
        is_eager=is_eager,
        help="Load a plugin from a single file. Repeatable.",
    )


def component_options(help: str = "Set an option of the method, e.g. -o learner=reptile. Repeatable.") -> Decorator:
    """Add -o KEY=VALUE."""
    return click.option("--option", "-o", "options", multiple=True, metavar="KEY=VALUE", help=help)


def suite(help: str) -> Decorator:
    """Add -s SUITE."""
    return click.option("--suite", "-s", metavar="NAME", help=help)


def tracks(help: str) -> Decorator:
    """Add -t PATTERN."""
    return click.option("--track", "-t", "tracks", multiple=True, metavar="PATTERN", help=help)


def methods(help: str) -> Decorator:
    """Add -m NAME."""
    return click.option("--method", "-m", "methods", multiple=True, metavar="NAME", help=help)


def margin(*, zero: bool = False) -> Decorator:
    """Add --margin POINTS, the equivalence margin; `zero` allows 0."""
    return click.option(
        "--margin",
        metavar="POINTS",
        type=click.FloatRange(min=0, min_open=not zero),
        default=0.5,
        help="Equivalence margin, in accuracy points.",
    )


def no_records(folder: Path) -> StoreError:
    """Return the error of a DIR without records."""
    return StoreError(f"There are no records in {folder}. Make some with 'freeshot run', or give another DIR.")
