"""Collect what plugins provide through a hook: validated, sorted by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import PluginError
from freeshot.contracts.columns import Column
from freeshot.contracts.pool import PoolPlan
from freeshot.contracts.published import Published
from freeshot.contracts.tracks import Suite, Track
from freeshot.plugin.host import PluginInfo
from freeshot.plugin.kinds import KINDS
from freeshot.plugin.validity import why_not_usable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from freeshot.plugin.host import Host

THINGS = {
    "track": "freeshot_tracks",
    "suite": "freeshot_suites",
    "pool": "freeshot_pools",
    "column": "freeshot_leaderboard_columns",
    "penalty": "freeshot_lora_penalties",
}
"""Named things other than components, with their hooks."""
KIND_OF = {kind.hook: kind.name for kind in KINDS.values()} | {hook: thing for thing, hook in THINGS.items()}
KIND_OF |= {"freeshot_pool_plans": "pool"}
INTERFACES = {kind.hook: kind.interface for kind in KINDS.values()}
VALUES: dict[str, type[Any]] = {
    "freeshot_tracks": Track,
    "freeshot_suites": Suite,
    "freeshot_pool_plans": PoolPlan,
    "freeshot_leaderboard_columns": Column,
    "freeshot_published_results": Published,
}


@dataclass(frozen=True)
class Offer:
    """A named class or value, and the plugin that provides it."""

    name: str
    value: Any
    plugin: PluginInfo

    @property
    def place(self) -> str:
        """The source, specific enough to distinguish two offers of the same name."""
        module = self.value.__module__ if isinstance(self.value, type) else f"plugin '{self.plugin.name}'"
        return f"{module} ({self.plugin.origin})"


def collect(host: Host, hook: str) -> dict[str, tuple[Offer, ...]]:
    """Call a hook of every plugin; a name with more than one offer is recorded as ambiguous."""
    offers: dict[str, list[Offer]] = {}
    for info, result in host.results(hook):
        with host.guard(info, f"Its hook {hook}", hook):
            for item in list(_iterable(result, hook)):
                _add(host, hook, item, info, offers)
    for contested in (same for same in offers.values() if len(same) > 1):
        host.note(_both(contested), why_contested(KIND_OF.get(hook, hook), contested), hook)
    return {name: tuple(offers[name]) for name in sorted(offers)}


def why_contested(kind: str, offers: Sequence[Offer]) -> str:
    """Return the error for a name that several plugins provide."""
    places = " and ".join(sorted(offer.place for offer in offers))
    return (
        f"The {kind} name '{offers[0].name}' is claimed by {places}, so none of them can be used. "
        "Leave one plugin out with --no-plugin, or rename its part."
    )


def _iterable(result: object, hook: str) -> Iterable[object]:
    if not hasattr(result, "__iter__") or isinstance(result, str):
        raise PluginError(f"Its hook {hook} returned {result!r}, which is not a list. Return a list; it may be empty.")
    return result


def _add(host: Host, hook: str, item: object, info: PluginInfo, offers: dict[str, list[Offer]]) -> None:
    with host.guard(info, f"Checking {item!r} of its hook {hook}", hook):
        name, value = _read(hook, item)
        same = offers.setdefault(name, [])
        if all(offer.value is not value for offer in same):  # a class provided twice counts once
            same.append(Offer(name, value, info))


def _read(hook: str, item: Any) -> tuple[str, Any]:
    """Validate one item; return its name and its value."""
    if hook in INTERFACES:
        if reason := why_not_usable(item, INTERFACES[hook]):
            raise PluginError(reason)
        return item.name, item
    if hook == "freeshot_pools":
        if not isinstance(item, tuple) or len(item) != 2:
            raise PluginError(f"Its hook {hook} offers {item!r}, expected a pair (name, folder).")
        return str(item[0]), Path(item[1])
    if hook == "freeshot_lora_penalties":
        if not isinstance(item, tuple) or len(item) != 2 or not callable(item[1]):
            raise PluginError(f"Its hook {hook} offers {item!r}, expected a pair (name, function).")
        return str(item[0]), item[1]
    if not isinstance(item, VALUES[hook]):
        raise PluginError(f"Its hook {hook} offers {item!r}, expected a freeshot.{VALUES[hook].__name__}.")
    return item.title if isinstance(item, Column) else item.name, item


def _both(offers: list[Offer]) -> PluginInfo:
    plugins = sorted({offer.plugin for offer in offers}, key=lambda plugin: plugin.name)
    names, dists, versions = ([getattr(p, a) for p in plugins] for a in ("name", "distribution", "version"))
    return PluginInfo(", ".join(names), ", ".join(dists), ", ".join(versions))
