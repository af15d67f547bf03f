"""`freeshot list`: names of all components, tracks, suites and pools, with a summary and their origin."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from freeshot.basics.suggestions import unknown_name
from freeshot.cli.console import table
from freeshot.cli.context import session_of
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.kinds import KINDS

NAMED = {kind.plural: kind.name for kind in KINDS.values()} | {"tracks": "track", "suites": "suite", "pools": "pool"}
"""Everything that has a name: plural → kind."""


@click.command(
    "list", help=f"List available components, tracks, suites and pools.\n\nKIND is one of {', '.join(NAMED)}."
)
@click.argument("kind", metavar="[KIND]", required=False)
@click.pass_context
def command(ctx: click.Context, kind: str | None) -> None:
    """List everything, or the names of one kind."""
    if kind is not None and kind not in NAMED:
        raise unknown_name("kind", kind, NAMED)
    for plural in NAMED if kind is None else (kind,):
        rows = rows_of(session_of(ctx).catalogue, NAMED[plural])
        table(rows or [("  none", "", "")], title=plural)


def rows_of(catalogue: Catalogue, kind: str, pools: Path = Path("pools")) -> list[tuple[str, str, str]]:
    """List name, summary and origin of everything of a kind."""
    rows = [
        (f"  {name}", _summary(catalogue, kind, name), catalogue.origin(kind, name)) for name in catalogue.names(kind)
    ]
    return rows + _user_pools(catalogue, pools) if kind == "pool" else rows


def _user_pools(catalogue: Catalogue, pools: Path) -> list[tuple[str, str, str]]:
    """List the pools in a folder of pools, and the planned ones that are not built yet."""
    from freeshot.pool.locate import build_command, built_pools

    built = built_pools(pools)
    planned = [name for name in catalogue.pool_plans() if name not in built]
    return [
        *((f"  {name}", str(pools / name), "yours") for name in built),
        *((f"  {name}", f"not built yet: {build_command(name, pools)}", "") for name in planned),
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
