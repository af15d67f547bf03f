"""The catalogue of everything that plugins provide, by kind and name; each hook is called once, when needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

from freeshot.basics.errors import PluginError, UnknownNameError
from freeshot.basics.suggestions import unknown_name
from freeshot.contracts.backbone import BackboneProvider
from freeshot.contracts.component import Component
from freeshot.contracts.leaderboard import Column, Published
from freeshot.contracts.pool import PoolPlan
from freeshot.contracts.tracks import Suite, Track
from freeshot.plugin.collect import Registered, collect, why_contested
from freeshot.plugin.host import Host
from freeshot.plugin.kinds import KINDS, VALUES

ALL = KINDS | VALUES


class Catalogue:
    """Lookup of everything that can be named on the command line; unknown and ambiguous names raise."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._collected: dict[str, dict[str, tuple[Registered, ...]]] = {}

    def registered(self, kind: str, name: str) -> Registered:
        """Return the component class or value of this kind and name, with its provider."""
        same = self._collect(kind).get(name, ())
        if not same:
            if kind == "backbone" and (lines := self.proposed_backbones(name)):
                raise UnknownNameError(f"No backbone is called '{name}'. Write it as --backbone {lines[0]}")
            raise unknown_name(kind, name, self.provided(kind), self.hint(kind))
        if len(same) > 1:
            raise PluginError(why_contested(ALL[kind], same))
        return same[0]

    def component(self, kind: str, name: str) -> type[Component]:
        """Return the class of this kind and name."""
        return cast("type[Component]", self.registered(kind, name).value)

    def origin(self, kind: str, name: str) -> str:
        """Return the provider of a component, track, suite or pool: 'freeshot-reptile 0.3'."""
        return self.registered(kind, name).origin

    def provided(self, kind: str) -> dict[str, Registered]:
        """List the usable components or values of a kind by name, with their providers."""
        return {name: same[0] for name, same in self._collect(kind).items() if len(same) == 1}

    def names(self, kind: str) -> tuple[str, ...]:
        """List the names of the usable components or values of a kind."""
        return tuple(self.provided(kind))

    def holders(self, kind: str, name: str) -> tuple[str, ...]:
        """Return the providers of a name: none, one, or all that provide it."""
        return tuple(registered.source for registered in self._collect(kind).get(name, ()))

    def clashes(self, name: str) -> tuple[str, ...]:
        """Return the conflicts that involve this name, or parts of the plugin with this name."""
        return tuple(
            why_contested(kind, same)
            for kind in ALL.values()
            for own, same in self._collect(kind.name).items()
            if len(same) > 1 and name in {own, *(registered.plugin.name for registered in same)}
        )

    def proposed_backbones(self, network: str, model_class: str = "") -> tuple[str, ...]:
        """List the backbones, as --backbone spells them, that can be the network which an adapter names."""
        providers = [cast("type[BackboneProvider]", same.value) for same in self.provided("backbone").values()]
        return tuple(line for provider in providers if (line := provider.proposal(network, model_class)))

    def tracks(self) -> dict[str, Track]:
        """List the tracks by name."""
        return self._values("track")

    def track(self, name: str) -> Track:
        """Return the track with this name."""
        return cast("Track", self.registered("track", name).value)

    def match_tracks(self, patterns: Iterable[str]) -> tuple[Track, ...]:
        """Return the tracks, by name, that match any pattern such as '*/5w1s'; each pattern must match at least one."""
        tracks = self.tracks()
        chosen: set[str] = set()
        for pattern in patterns:
            chosen |= {name for name in tracks if fnmatchcase(name, pattern)} or {self.track(pattern).name}
        return tuple(track for name, track in tracks.items() if name in chosen)

    def suites(self) -> dict[str, Suite]:
        """List the suites by name."""
        return self._values("suite")

    def suite(self, name: str) -> Suite:
        """Return the suite with this name."""
        return cast("Suite", self.registered("suite", name).value)

    def main_suite(self) -> Suite | None:
        """Return the suite that provides defaults: the one flagged as main, or else the only one."""
        suites = list(self.suites().values())
        main = [suite for suite in suites if suite.main] or suites
        return main[0] if len(main) == 1 else None

    def pools(self) -> dict[str, Path]:
        """List the folders of the LoRA pools that plugins ship, by name; none is opened."""
        return self._values("pool")

    def pool(self, name: str) -> Path:
        """Return the folder of the pool with this name."""
        return cast("Path", self.registered("pool", name).value)

    def pool_plans(self) -> dict[str, PoolPlan]:
        """List the recipes of pools that users build, by name."""
        return self._values("pool plan")

    def lora_penalty(self, name: str) -> Callable[..., Any]:
        """Return the penalty on LoRAs with this name."""
        return cast("Callable[..., Any]", self.registered("penalty", name).value)

    def columns(self) -> tuple[Column, ...]:
        """List the extra leaderboard columns by title."""
        return tuple(self._values("column").values())

    def published(self) -> tuple[Published, ...]:
        """List the accuracies reported in papers, by method."""
        return tuple(self._values("published result").values())

    def call_every_hook(self) -> None:
        """Collect all kinds, so that all failures are known."""
        for kind in ALL:
            self._collect(kind)

    def hint(self, kind: str) -> str:
        """Return sentences about failed plugins that may provide an unknown name of this kind."""
        return " ".join(
            f"The plugin '{failure.name}' failed {'in part' if failure.hook else 'to load'} and may provide it: "
            f"{failure.reason}"
            for failure in self.host.failures
            if failure.hook in ("", ALL[kind].hook)
        )

    def _collect(self, kind: str) -> dict[str, tuple[Registered, ...]]:
        if kind not in ALL:
            raise unknown_name("kind", kind, ALL)
        if kind not in self._collected:
            self._collected[kind] = collect(self.host, ALL[kind])
        return self._collected[kind]

    def _values(self, kind: str) -> dict[str, Any]:
        return {name: registered.value for name, registered in self.provided(kind).items()}
