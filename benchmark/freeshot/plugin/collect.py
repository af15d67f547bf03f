"""Collect what plugins provide of one kind: validated, sorted by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

from freeshot.basics.errors import PluginError
from freeshot.contracts.leaderboard import Column
from freeshot.plugin.diagnostics import why_not_usable
from freeshot.plugin.host import Host, PluginInfo
from freeshot.plugin.kinds import KINDS, Kind


@dataclass(frozen=True)
class Registered:
    """A named component class or value, and the plugin that provides it."""

    name: str
    value: Any
    plugin: PluginInfo

    @property
    def origin(self) -> str:
        """The provider: 'freeshot-reptile 0.3'."""
        return self.plugin.origin

    @property
    def source(self) -> str:
        """The provider, specific enough to distinguish two of the same name."""
        module = self.value.__module__ if isinstance(self.value, type) else f"plugin '{self.plugin.name}'"
        return f"{module} ({self.origin})"


def collect(host: Host, kind: Kind) -> dict[str, tuple[Registered, ...]]:
    """Call the hook of a kind in every plugin; a name that several plugins provide is recorded as ambiguous."""
    provided: dict[str, list[Registered]] = {}
    for plugin, result in host.results(kind.hook):
        with host.guard(plugin, f"Its hook {kind.hook}", kind.hook):
            if not hasattr(result, "__iter__") or isinstance(result, str):
                raise PluginError(
                    f"Its hook {kind.hook} returned {result!r}, which is not a list. Return a list; it may be empty."
                )
            for item in list(result):
                with host.guard(plugin, f"Checking {item!r} of its hook {kind.hook}", kind.hook):
                    name, value = _read(kind, item)
                    same = provided.setdefault(name, [])
                    if all(other.value is not value for other in same):  # a class provided twice counts once
                        same.append(Registered(name, value, plugin))
    for same in provided.values():
        if len(same) > 1:
            plugins = sorted({registered.plugin for registered in same}, key=lambda plugin: plugin.name)
            host.note(PluginInfo.joined(plugins), why_contested(kind, same), kind.hook)
    return {name: tuple(provided[name]) for name in sorted(provided)}


def why_contested(kind: Kind, same: Sequence[Registered]) -> str:
    """Return the error for a name that several plugins provide."""
    sources = " and ".join(sorted(registered.source for registered in same))
    return (
        f"The {kind.name} name '{same[0].name}' is claimed by {sources}, so none of them can be used. "
        "Leave one plugin out with --no-plugin, or rename its part."
    )


def _read(kind: Kind, item: Any) -> tuple[str, Any]:
    if kind.name in KINDS:
        if reason := why_not_usable(item, kind.type):
            raise PluginError(reason)
    elif kind.type in (Path, FunctionType):
        what = "folder" if kind.type is Path else "function"
        if not isinstance(item, tuple) or len(item) != 2 or (what == "function" and not callable(item[1])):
            raise PluginError(f"Its hook {kind.hook} offers {item!r}, expected a pair (name, {what}).")
        return str(item[0]), Path(item[1]) if what == "folder" else item[1]
    elif not isinstance(item, kind.type):
        raise PluginError(f"Its hook {kind.hook} offers {item!r}, expected a freeshot.{kind.type.__name__}.")
    return item.title if isinstance(item, Column) else item.name, item
