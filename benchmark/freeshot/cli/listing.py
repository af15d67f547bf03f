"""`freeshot list`: everything that can be named, with a sentence and its origin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from freeshot.cli.console import stdout, table
from freeshot.cli.session import session_of
from freeshot.plugin.kinds import KINDS

if TYPE_CHECKING:
    from freeshot.plugin.catalogue import Catalogue

NAMED = {kind.plural: kind.name for kind in KINDS.values()} | {"tracks": "track", "suites": "suite", "pools": "pool"}
"""What can be named: plural → kind."""


@click.command("list")
@click.argument("what", required=False, type=click.Choice(list(NAMED)))
@click.pass_context
def command(ctx: click.Context, what: str | None) -> None:
    """List what can be named: components, tracks, suites and pools; WHAT narrows it down."""
    console = stdout()
    catalogue = session_of(ctx).catalogue
    for plural, kind in NAMED.items():
        if what not in (None, plural):
            continue
        rows = [
            (f"  {name}", _summary(catalogue, kind, name), catalogue.origin(kind, name))
            for name in catalogue.names(kind)
        ]
        if kind == "pool":
            rows += _own_pools(catalogue)
        table(console, rows or [("  none", "", "")], title=plural)


def _own_pools(catalogue: Catalogue) -> list[tuple[str, str, str]]:
    """List pools that were built or imported here, and those that are still to be built."""
    from freeshot.pool.places import POOLS, build_command, built_pools

    built = built_pools()
    planned = [name for name in catalogue.pool_plans() if name not in built]
    return [
        *((f"  {name}", str(POOLS / name), "yours") for name in built),
        *((f"  {name}", f"to be built: {build_command(name)}", "") for name in planned),
    ]


def _summary(catalogue: Catalogue, kind: str, name: str) -> str:
    if kind == "track":
        track = catalogue.track(name)
        return f"{track.way}-way {track.shot}-shot, {track.split} classes of {track.dataset}, pool {track.pool}"
    if kind == "suite":
        return catalogue.suite(name).summary
    if kind == "pool":
        return str(catalogue.pool(name))
    return catalogue.component(kind, name).summary()
