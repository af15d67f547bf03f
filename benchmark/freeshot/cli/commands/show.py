"""`freeshot show`: describe one component, track, suite or pool."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields
from inspect import cleandoc
from typing import Any

import rich_click as click
from rich.text import Text

from freeshot.basics.suggestions import unknown_name
from freeshot.cli.commands.list_ import NAMED
from freeshot.cli.console import print_line, stdout, table
from freeshot.cli.context import session_of
from freeshot.contracts.component import Choice, Component, describe_type, options_of
from freeshot.contracts.pool import PoolPlan
from freeshot.contracts.tracks import Suite, Track
from freeshot.plugin.catalogue import Catalogue

FACTS = ("citation", "paper_url", "code_url", "domain", "license", "data_free", "role", "needs")
"""Attributes to print, if a component has them."""


@click.command("show")
@click.argument("name")
@click.pass_context
def command(ctx: click.Context, name: str) -> None:
    """Describe a component, track, suite or pool: summary, citation, options."""
    from freeshot.pool.locate import build_command

    session = session_of(ctx)
    catalogue = session.catalogue
    kinds = [kind for kind in NAMED.values() if name in catalogue.names(kind)]
    plans = catalogue.pool_plans()
    if name in plans:
        stdout().print(Text.assemble((name, "bold"), f"  pool, built with: {build_command(name)}"))
        table([(name, _plain(value)) for name, value in _values(plans[name]).items()])
        print_line("")
    elif not kinds:
        known = {known for kind in NAMED.values() for known in catalogue.names(kind)} | {*plans}
        hint = "Some plugins failed to load; 'freeshot plugin list' shows the errors." if session.host.failures else ""
        raise unknown_name("component, track, suite or pool", name, known, hint)
    for kind in kinds:
        _show(catalogue, kind, name)


def _show(catalogue: Catalogue, kind: str, name: str) -> None:
    origin = catalogue.origin(kind, name)
    stdout().print(Text.assemble((name, "bold"), f"  {kind} from {origin}"))
    if kind == "track":
        values = _values(catalogue.track(name))
        table([(name, _plain(value)) for name, value in values.items() if value not in ("", False)])
    elif kind == "suite":
        _show_suite(catalogue.suite(name))
    elif kind == "pool":
        stdout().print(Text(f"{catalogue.pool(name)}\nIts LoRAs: freeshot pool show {name}"))
    else:
        _show_component(catalogue.component(kind, name))
    print_line("")


def _show_component(cls: type[Component]) -> None:
    stdout().print(Text(cleandoc(cls.__doc__ or "")))
    facts = _facts(cls)
    if facts:
        print_line("")
        table(facts)
    rows = [
        (
            f"  {o.name}",
            f"{o.default.kind} name" if isinstance(o.default, Choice) else describe_type(o.type),
            _plain(o.default),
            o.help,
        )
        for o in options_of(cls).values()
    ]
    print_line("")
    if rows:
        table(rows, heads=("  option", "type", "default", "meaning"), title="options")
    else:
        print_line("No options.")


def _facts(cls: type[Component]) -> list[tuple[str, str]]:
    """Read the facts of a component with default options: some, such as `data_free`, depend on them."""
    source: object = cls
    with suppress(Exception):  # a plugin may reject its own defaults; then use the class
        source = cls()
    values = {fact: getattr(source, fact, "") for fact in FACTS}
    return [
        (f.removesuffix("_url").replace("_", " "), _plain(v))
        for f, v in values.items()
        if v and not isinstance(v, property)
    ]


def _values(described: Track | PoolPlan) -> dict[str, Any]:
    return {field.name: getattr(described, field.name) for field in fields(described) if field.name != "name"}


def _show_suite(suite: Suite) -> None:
    stdout().print(Text(f"{suite.summary}\nTracks: {', '.join(suite.tracks)}"))
    for name, profile in suite.profiles.items():
        limit = f", {profile.limit} episodes per track" if profile.limit else ""
        limit += f", seeds {', '.join(map(str, profile.seeds))}" if len(profile.seeds) > 1 else ""
        limit += "".join(f", {name} {value}" for name in ("backbone", "pool") if (value := getattr(profile, name)))
        print_line("")
        stdout().print(Text.assemble((f"profile {name}", "bold"), f"{limit}  {profile.summary}".rstrip()))
        rows = [
            (
                f"  {row.method}",
                " ".join([*(f"{k}={_plain(v)}" for k, v in row.options.items()), *(f"({t})" for t in row.tracks)]),
            )
            for row in profile.rows
        ]
        table(rows)


def _plain(value: object) -> str:
    """Format a value as it is typed after `-o name=`."""
    if isinstance(value, Choice):
        return " ".join([value.name, *(f".{key}={_plain(setting)}" for key, setting in value.options)])
    if isinstance(value, (tuple, list)):
        return ", ".join(map(_plain, value))
    if isinstance(value, (set, frozenset)):
        return ", ".join(sorted(map(_plain, value)))
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
