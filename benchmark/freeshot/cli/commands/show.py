"""`freeshot show`: describe one component, track, suite or pool."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields
from inspect import cleandoc
from typing import TYPE_CHECKING, Any

import rich_click as click

from freeshot.cli.commands.list_ import NAMED
from freeshot.cli.console import stdout, table
from freeshot.cli.context import session_of

if TYPE_CHECKING:
    from rich.console import Console

    from freeshot.contracts.component import Component
    from freeshot.contracts.options import Option
    from freeshot.contracts.pool import PoolPlan
    from freeshot.contracts.tracks import Suite, Track
    from freeshot.plugin.catalogue import Catalogue

FACTS = ("citation", "domain", "license", "data_free", "role", "needs")
"""Attributes to print, if a component has them."""


@click.command("show")
@click.argument("name")
@click.pass_context
def command(ctx: click.Context, name: str) -> None:
    """Describe a component, track, suite or pool: summary, citation, options."""
    from rich.text import Text

    from freeshot.basics.suggestions import unknown_name
    from freeshot.pool.locate import build_command

    session = session_of(ctx)
    catalogue = session.catalogue
    kinds = [kind for kind in NAMED.values() if name in catalogue.names(kind)]
    console, plans = stdout(), catalogue.pool_plans()
    if name in plans:
        console.print(Text.assemble((name, "bold"), f"  pool, built with: {build_command(name)}"))
        table(console, [(name, _plain(value)) for name, value in _values(plans[name]).items()])
        console.print()
    elif not kinds:
        known = {known for kind in NAMED.values() for known in catalogue.names(kind)} | {*plans}
        hint = "Some plugins failed to load; 'freeshot plugin list' shows the errors." if session.host.failures else ""
        raise unknown_name("component, track, suite or pool", name, known, hint)
    for kind in kinds:
        _show(console, catalogue, kind, name)


def _show(console: Console, catalogue: Catalogue, kind: str, name: str) -> None:
    from rich.text import Text

    origin = catalogue.origin(kind, name)
    console.print(Text.assemble((name, "bold"), f"  {kind} from {origin}"))
    if kind == "track":
        values = _values(catalogue.track(name))
        table(console, [(name, _plain(value)) for name, value in values.items() if value not in ("", False)])
    elif kind == "suite":
        _show_suite(console, catalogue.suite(name))
    elif kind == "pool":
        console.print(Text(f"{catalogue.pool(name)}\nIts LoRAs: freeshot pool show {name}"))
    else:
        _show_component(console, catalogue.component(kind, name))
    console.print()


def _show_component(console: Console, cls: type[Component]) -> None:
    from rich.text import Text

    from freeshot.contracts.options import describe_type, options_of

    console.print(Text(cleandoc(cls.__doc__ or "")))
    facts = _facts(cls)
    if facts:
        console.print()
        table(console, facts)
    rows = [
        (f"  {o.name}", _type(o, describe_type(o.type)), _plain(o.default), o.help) for o in options_of(cls).values()
    ]
    console.print()
    if rows:
        table(console, rows, heads=("  option", "type", "default", "meaning"), title="options")
    else:
        console.print("No options.")


def _facts(cls: type[Component]) -> list[tuple[str, str]]:
    """Read the facts of a component with default options: some, such as `data_free`, depend on them."""
    source: object = cls
    with suppress(Exception):  # a plugin may reject its own defaults; then use the class
        source = cls()
    values = {fact: getattr(source, fact, "") for fact in FACTS}
    return [(f.replace("_", " "), _plain(v)) for f, v in values.items() if v and not isinstance(v, property)]


def _values(described: Track | PoolPlan) -> dict[str, Any]:
    return {field.name: getattr(described, field.name) for field in fields(described) if field.name != "name"}


def _show_suite(console: Console, suite: Suite) -> None:
    from rich.text import Text

    console.print(Text(suite.summary))
    console.print(Text(f"Tracks: {', '.join(suite.tracks)}"))
    for name, profile in suite.profiles.items():
        limit = f", {profile.limit} episodes per track" if profile.limit else ""
        limit += f", seeds {', '.join(map(str, profile.seeds))}" if len(profile.seeds) > 1 else ""
        console.print()
        console.print(Text.assemble((f"profile {name}", "bold"), f"{limit}  {profile.summary}".rstrip()))
        rows = [
            (f"  {row.method}", " ".join(f"{k}={_plain(v)}" for k, v in row.options.items())) for row in profile.rows
        ]
        table(console, rows)


def _type(option: Option, described: str) -> str:
    from freeshot.contracts.component import Choice

    return f"{option.default.kind} name" if isinstance(option.default, Choice) else described


def _plain(value: object) -> str:
    """Format a value as it is typed after `-o name=`."""
    from freeshot.contracts.component import Choice

    if isinstance(value, Choice):
        return " ".join([value.name, *(f".{key}={_plain(setting)}" for key, setting in value.options)])
    if isinstance(value, (tuple, list)):
        return ", ".join(map(_plain, value))
    if isinstance(value, (set, frozenset)):
        return ", ".join(sorted(map(_plain, value)))
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
