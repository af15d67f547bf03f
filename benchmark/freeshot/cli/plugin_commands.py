"""Commands that plugins add with the hook freeshot_commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from freeshot.cli.group import VERBS

if TYPE_CHECKING:
    from freeshot.plugin.host import Host, PluginInfo

HOOK = "freeshot_commands"


def collect_commands(host: Host) -> dict[str, click.Command]:
    """Collect the commands of plugins; a built-in or duplicate name is left out and reported."""
    offers: dict[str, list[tuple[PluginInfo, click.Command]]] = {}
    for info in host.loaded:
        if HOOK not in info.hooks:
            continue
        own = click.RichGroup(name="freeshot")
        for _ in host.results(HOOK, plugin=info.name, cli=own):
            for name, command in own.commands.items():
                offers.setdefault(name, []).append((info, command))
    for name, claims in offers.items():
        if name in VERBS:
            _note(host, claims, f"Its command '{name}' has the name of a built-in command. Rename it.")
        elif len(claims) > 1:
            origins = " and ".join(info.origin for info, _ in claims)
            _note(
                host,
                claims,
                f"Its command '{name}' is defined by several plugins ({origins}). Use --no-plugin for all but one.",
            )
    return {name: claims[0][1] for name, claims in offers.items() if name not in VERBS and len(claims) == 1}


def _note(host: Host, claims: list[tuple[PluginInfo, click.Command]], reason: str) -> None:
    for info, _ in claims:
        host.note(info, reason, HOOK)
