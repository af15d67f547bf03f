"""`freeshot plugins`: which are there, what they implement, and why one is not used."""

from __future__ import annotations

import rich_click as click

from freeshot.cli.console import stdout, table
from freeshot.cli.session import session_of


@click.command("plugins")
@click.pass_context
def command(ctx: click.Context) -> None:
    """List the plugins with their hooks, and why any of them failed."""
    from rich.text import Text

    session = session_of(ctx)
    session.catalogue.ask_everything()
    assert session.foreign_commands is not None  # asked for its failures
    console = stdout()
    rows = [(p.name, p.version, p.distribution, ", ".join(p.hooks) or "–") for p in session.host.loaded]
    table(console, rows, heads=("name", "version", "distribution", "hooks"))
    for failure in session.take_failures():
        console.print(Text(failure.line, style="red"), soft_wrap=True)
