"""`freeshot plugin`: start a plugin of your own, and check one against the contract."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from freeshot.cli.console import stdout
from freeshot.cli.group import HelpfulGroup
from freeshot.cli.session import session_of, whole_traceback

if TYPE_CHECKING:
    from collections.abc import Sequence

    from freeshot.testing.contract.rules import Report

FOLDER = click.Path(path_type=Path, file_okay=False)
KINDS = ("meta-learner", "inversion", "efficiency", "method", "dataset", "backbone", "track", "launcher", "column")
INDENT = " " * 6
"""What stands before the lines below a rule."""


@click.group("plugin", cls=HelpfulGroup)
def command() -> None:
    """Start a plugin of your own, and check one against the contract."""


@command.command("new")
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What it adds.")
@click.option("--out", type=FOLDER, help="Folder to write; freeshot-NAME if not given.")
@click.pass_context
def new(ctx: click.Context, name: str, kind: str, out: Path | None) -> None:
    """Write the distribution freeshot-NAME: project file, one module, one test and a page that says how to go on."""
    from freeshot.testing.scaffold import first_command, write_plugin

    _require_free(ctx, name, kind)
    folder = out or Path(f"freeshot-{name}")
    console = stdout()
    for file in write_plugin(name, kind, folder):
        console.print(str(file), soft_wrap=True)
    console.print(f"Install it with 'pip install -e {folder}'; then try '{first_command(name, kind)}'.", soft_wrap=True)


def _require_free(ctx: click.Context, name: str, kind: str) -> None:
    """Raise where a plugin, or something of this kind, has the name already."""
    from freeshot.basics.errors import PluginError
    from freeshot.plugin.host import installed
    from freeshot.testing.scaffold import offered_name

    part = offered_name(name, kind)
    if distributions := installed().get(name):
        raise PluginError(f"The plugin name '{name}' is taken by {' and '.join(distributions)}. Choose another name.")
    if holders := session_of(ctx).catalogue.holders(kind, part):
        raise PluginError(f"The {kind} name '{part}' is taken by {' and '.join(holders)}. Choose another name.")


@command.command("check")
@click.argument("name", metavar="NAME_OR_PATH")
@click.option(
    "--option", "-o", "options", multiple=True, metavar="KEY=VALUE", help="Set an option for the examination."
)
@click.option("--data", type=FOLDER, default=Path("data"), help="Where your images are.")
@whole_traceback()
@click.pass_context
def check(ctx: click.Context, name: str, options: tuple[str, ...], data: Path, *, whole: bool) -> None:
    """Apply every rule of the contract to a plugin or a part of one: give a name, the plugin's file or its folder."""
    from freeshot.cli.offered import examined
    from freeshot.testing.contract import report_on

    session = session_of(ctx)
    session.use_data(data)
    values = examined(session, name)
    settings = _settings(options)
    reports = [report_on(value, settings, data, session.host.selection) for value in values]
    for report in reports:
        _print(report, whole=whole)
    if not all(report.passed for report in reports):
        _print_hint(reports, whole=whole)
        ctx.exit(1)


def _settings(options: tuple[str, ...]) -> dict[str, Any]:
    from freeshot.basics.errors import OptionError

    pairs = [option.partition("=") for option in options]
    wrong = [key for key, sign, _ in pairs if not sign]
    if wrong:
        raise OptionError(f"'{wrong[0]}' sets nothing. Write KEY=VALUE.")
    return {key: value for key, _, value in pairs}


def _print(report: Report, *, whole: bool) -> None:
    from rich.text import Text

    from freeshot.testing.contract.entries import entries

    console = stdout()
    console.print(report.subject, style="bold", soft_wrap=True)
    for entry in entries(report, whole=whole):
        mark = Text(entry.mark, style="green" if entry.good else "red")
        console.print(mark + Text(entry.text), soft_wrap=True)
        for line in entry.details:
            console.print(Text(INDENT + line), soft_wrap=True)


def _print_hint(reports: Sequence[Report], *, whole: bool) -> None:
    """Name the option that shows more, where there is more to show."""
    if not whole and any(line.failure and line.failure.frames for report in reports for line in report.lines):
        stdout().print("--traceback prints the whole traceback of each error.", soft_wrap=True)
