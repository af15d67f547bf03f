"""The command `freeshot` and its global options."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from freeshot.cli.context import Session
from freeshot.cli.group import VerbGroup
from freeshot.cli.options import plugin_files
from freeshot.version import __version__


@click.group(
    cls=VerbGroup,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 100},
)
@click.option(
    "--no-plugin",
    "without",
    multiple=True,
    metavar="NAME",
    is_eager=True,  # before --help, which lists the plugins' commands as well
    help="Do not load this plugin. Repeatable.",
)
@plugin_files(is_eager=True)
@click.version_option(__version__, "--version", "-V", prog_name="freeshot", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context, without: tuple[str, ...], files: tuple[Path, ...]) -> None:
    """Benchmark methods that use a pool of LoRAs to solve new few-shot tasks."""
    if without:
        from freeshot.plugin.host import require_installed

        require_installed(without)
    if ctx.obj is None:
        ctx.obj = Session(frozenset(without), files)
