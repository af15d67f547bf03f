"""The catalogue of everything that plugins provide, by kind and name; each hook is called once, when needed."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import PluginError
from freeshot.basics.suggestions import unknown_name
from freeshot.contracts.component import Component
from freeshot.plugin.collect import KIND_OF, THINGS, Offer, collect, why_contested
from freeshot.plugin.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from freeshot.contracts.columns import Column
    from freeshot.contracts.pool import PoolPlan
    from freeshot.contracts.published import Published
    from freeshot.contracts.tracks import Suite, Track
    from freeshot.plugin.host import Host


ALL_HOOKS = (*KIND_OF, "freeshot_published_results")
"""Every hook that provides named things."""


@dataclass(frozen=True)
class Registered:
    """A component class and its provider."""

    cls: type[Component]
    plugin: str
    distribution: str
    version: str

    @property
    def origin(self) -> str:
        """The provider: 'freeshot-reptile 0.3'."""
        return f"{self.distribution} {self.version}".strip()


class Catalogue:
    """Lookup of everything that can be named on the command line; unknown and ambiguous names raise."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._collected: dict[str, dict[str, tuple[Offer, ...]]] = {}

    def component(self, kind: str, name: str) -> type[Component]:
        """Return the class of this kind and name."""
        return self.registered(kind, name).cls

    def registered(self, kind: str, name: str) -> Registered:
        """Return the class of this kind and name, with its provider."""
        return _registered(self._pick(kind, _hook(kind), name))

    def classes(self, kind: str) -> dict[str, Registered]:
        """List the usable components of a kind by name."""
        return {name: _registered(offer) for name, offer in self._usable(_hook(kind)).items()}

    def names(self, kind: str) -> tuple[str, ...]:
        """List the names of the usable components of a kind, or of tracks, suites or pools."""
        return tuple(self._usable(_hook(kind)))

    def origin(self, kind: str, name: str) -> str:
        """Return the provider of a component, track, suite or pool: 'freeshot-reptile 0.3'."""
        return self._pick(kind, _hook(kind), name).plugin.origin

    def plugin_of(self, kind: str, name: str) -> str:
        """Return the name of the plugin that provides a component, track, suite or pool."""
        return self._pick(kind, _hook(kind), name).plugin.name

    def holders(self, kind: str, name: str) -> tuple[str, ...]:
        """Return the providers of a name: none, one, or all that provide it."""
        return tuple(offer.place for offer in self._offers(_hook(kind)).get(name, ()))

    def clashes(self, name: str) -> tuple[str, ...]:
        """Return the conflicts that involve this name, or parts of the plugin with this name."""
        return tuple(
            why_contested(KIND_OF.get(hook, hook), offers)
            for hook in ALL_HOOKS
            for own, offers in self._offers(hook).items()
            if len(offers) > 1 and name in {own, *(offer.plugin.name for offer in offers)}
        )

    def tracks(self) -> dict[str, Track]:
        """List the tracks by name."""
        return self._values("freeshot_tracks")

    def track(self, name: str) -> Track:
        """Return the track with this name."""
        track: Track = self._pick("track", "freeshot_tracks", name).value
        return track

    def match_tracks(self, patterns: Iterable[str]) -> tuple[Track, ...]:
        """Return the tracks, by name, that match any pattern such as '*/5w1s'; each pattern must match at least one."""
        tracks = self.tracks()
        chosen: set[str] = set()
        for pattern in patterns:
            chosen |= {name for name in tracks if fnmatchcase(name, pattern)} or {self.track(pattern).name}
        return tuple(track for name, track in tracks.items() if name in chosen)

    def suites(self) -> dict[str, Suite]:
        """List the suites by name."""
        return self._values("freeshot_suites")

    def suite(self, name: str) -> Suite:
        """Return the suite with this name."""
        suite: Suite = self._pick("suite", "freeshot_suites", name).value
        return suite

    def pools(self) -> dict[str, Path]:
        """List the folders of the LoRA pools that plugins ship, by name; none is opened."""
        return self._values("freeshot_pools")

    def pool(self, name: str) -> Path:
        """Return the folder of the pool with this name."""
        folder: Path = self._pick("pool", "freeshot_pools", name).value
        return folder

    def pool_plans(self) -> dict[str, PoolPlan]:
        """List the recipes of pools that users build, by name."""
        return self._values("freeshot_pool_plans")

    def lora_penalty(self, name: str) -> Callable[..., Any]:
        """Return the penalty on LoRAs with this name."""
        penalty: Callable[..., Any] = self._pick("penalty", "freeshot_lora_penalties", name).value
        return penalty

    def columns(self) -> tuple[Column, ...]:
        """List the extra leaderboard columns by title."""
        return tuple(self._values("freeshot_leaderboard_columns").values())

    def published(self) -> tuple[Published, ...]:
        """List the accuracies reported in papers, by method."""
        return tuple(self._values("freeshot_published_results").values())

    def columns_by_plugin(self) -> list[tuple[str, str, Column]]:
        """List title, plugin and value of the extra leaderboard columns."""
        offers = self._usable("freeshot_leaderboard_columns")
        return [(title, offer.plugin.name, offer.value) for title, offer in offers.items()]

    def ask_everything(self) -> None:
        """Call every hook, so that all failures are collected."""
        for hook in ALL_HOOKS:
            self._offers(hook)

    def _offers(self, hook: str) -> dict[str, tuple[Offer, ...]]:
        if hook not in self._collected:
            self._collected[hook] = collect(self.host, hook)
        return self._collected[hook]

    def _usable(self, hook: str) -> dict[str, Offer]:
        return {name: offers[0] for name, offers in self._offers(hook).items() if len(offers) == 1}

    def _values(self, hook: str) -> dict[str, Any]:
        return {name: offer.value for name, offer in self._usable(hook).items()}

    def _pick(self, kind: str, hook: str, name: str) -> Offer:
        offers = self._offers(hook).get(name, ())
        if not offers:
            raise unknown_name(kind, name, self._usable(hook), self.hint(hook))
        if len(offers) > 1:
            raise PluginError(why_contested(kind, offers))
        return offers[0]

    def hint(self, hook: str) -> str:
        """Return sentences about failed plugins that may provide an unknown name."""
        failures = [failure for failure in self.host.failures if failure.hook in ("", hook)]
        return " ".join(
            f"The plugin '{failure.name}' failed to load and may provide it: {failure.reason}"
            if not failure.hook
            else f"The plugin '{failure.name}' failed in part and may provide it: {failure.reason}"
            for failure in failures
        )


def _hook(kind: str) -> str:
    if kind in THINGS:
        return THINGS[kind]
    if kind not in KINDS:
        raise unknown_name("kind", kind, [*KINDS, *THINGS])
    return KINDS[kind].hook


def _registered(offer: Offer) -> Registered:
    plugin = offer.plugin
    return Registered(offer.value, plugin.name, plugin.distribution, plugin.version)
