"""`freeshot plugin`: list installed plugins, create a new one, check one against the contract."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rich_click as click
from rich.text import Text

from freeshot.cli.console import print_line, stdout, table
from freeshot.cli.context import session_of
from freeshot.cli.group import HelpfulGroup, plugin_commands
from freeshot.cli.options import FOLDER, component_options, data_folder, full_traceback
from freeshot.testing.contract.rules import Report

KINDS = ("meta-learner", "inversion", "strategy", "method", "dataset", "backbone", "track", "launcher", "column")
INDENT = " " * 6
"""Indentation of the lines below a rule."""


@click.group("plugin", cls=HelpfulGroup)
def command() -> None:
    """List installed plugins, create a new one, or check one for errors."""


@command.command("list")
@click.pass_context
def list_(ctx: click.Context) -> None:
    """List the installed plugins with their hooks, and the errors of those that failed to load."""
    session = session_of(ctx)
    session.catalogue.call_every_hook()
    plugin_commands(session)  # collected for its failures
    console = stdout()
    rows = [(p.name, p.version, p.distribution, ", ".join(p.hooks) or "–") for p in session.host.loaded]
    table(rows, heads=("name", "version", "distribution", "hooks"))
    for failure in session.take_failures():
        console.print(Text(failure.line, style="red"), soft_wrap=True)


@command.command("new")
@click.argument("name")
@click.option("--kind", "-k", type=click.Choice(KINDS), required=True, help="Kind of component the plugin adds.")
@click.option("--out", type=FOLDER, help="Output folder; default: freeshot-NAME.")
@click.pass_context
def new(ctx: click.Context, name: str, kind: str, out: Path | None) -> None:
    """Create the distribution freeshot-NAME: a project file, a module, a test and a README."""
    from freeshot.testing.scaffold import first_command, write_plugin

    _require_free(ctx, name, kind)
    folder = out or Path(f"freeshot-{name}")
    for file in write_plugin(name, kind, folder):
        print_line(str(file))
    print_line(f"Install it:  pip install -e {folder}")
    print_line(f"Then try it: {first_command(name, kind)}")


def _require_free(ctx: click.Context, name: str, kind: str) -> None:
    """Raise PluginError if the name is used by another plugin or component of this kind."""
    from freeshot.basics.errors import PluginError
    from freeshot.plugin.host import installed
    from freeshot.testing.scaffold import offered_name

    component = offered_name(name, kind)
    if distributions := installed().get(name):
        raise PluginError(f"The plugin name '{name}' is taken by {' and '.join(distributions)}. Choose another name.")
    if holders := session_of(ctx).catalogue.holders(kind, component):
        raise PluginError(f"The {kind} name '{component}' is taken by {' and '.join(holders)}. Choose another name.")


@command.command("check")
@click.argument("name", metavar="NAME_OR_PATH")
@component_options("Set an option of the checked component, e.g. -o lr=0.1. Repeatable.")
@data_folder
@full_traceback
@click.pass_context
def check(ctx: click.Context, name: str, options: tuple[str, ...], data: Path, *, full: bool) -> None:
    """Check a plugin, or one of its components, for errors.

    NAME_OR_PATH is the name of a plugin or component, the file of a plugin, or its folder.
    """
    from freeshot.cli.check_targets import examined
    from freeshot.testing.contract import report_on

    session = session_of(ctx, data=data)
    values = examined(session, name)
    settings = _settings(options)
    reports = [report_on(value, settings, data, session.host.selection) for value in values]
    for report in reports:
        _print(report, full=full)
    if not all(report.passed for report in reports):
        _print_hint(reports, full=full)
        ctx.exit(1)


def _settings(options: tuple[str, ...]) -> dict[str, Any]:
    from freeshot.launch.plan import given_options

    return dict(given_options(options))


def _print(report: Report, *, full: bool) -> None:

    from freeshot.testing.contract.entries import entries

    console = stdout()
    console.print(report.subject, style="bold", soft_wrap=True)
    for entry in entries(report, whole=full):
        mark = Text(entry.mark, style="green" if entry.good else "red")
        console.print(mark + Text(entry.text), soft_wrap=True)
        for line in entry.details:
            console.print(Text(INDENT + line), soft_wrap=True)


def _print_hint(reports: Sequence[Report], *, full: bool) -> None:
    """Mention --traceback if it would print more."""
    if not full and any(line.failure and line.failure.frames for report in reports for line in report.lines):
        print_line("--traceback prints the full traceback of each error.")
