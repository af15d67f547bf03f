"""The user's request, before any name is resolved."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from freeshot.pipeline.context import RunContext
    from freeshot.plugin.catalogue import Catalogue
    from freeshot.records.models import Precision


@dataclass(frozen=True)
class RunRequest:
    """The arguments of `freeshot run`."""

    suite: str | None = None
    profile: str | None = None
    tracks: tuple[str, ...] = ()
    """Patterns of track names; empty uses those of the suite's profile."""
    methods: tuple[str, ...] = ()
    """Method names; empty uses the rows of the suite's profile."""
    options: tuple[str, ...] = ()
    """'key=value', for every method that has the option."""
    backbone: str | None = None
    pool: str | None = None
    """Pool to use instead of the tracks' own, by name or folder."""
    seeds: tuple[int, ...] = ()
    """Empty uses those of the suite's profile."""
    limit: int | None = None
    results: Path = field(default_factory=lambda: Path("results"))
    cache: Path = field(default_factory=lambda: Path(".freeshot"))
    data: Path = field(default_factory=lambda: Path("data"))
    pools: Path = field(default_factory=lambda: Path("pools"))
    """Folder of users' own pools."""
    device: str = "cpu"
    precision: Precision = "fp32"
    """Of the frozen backbone's passes."""
    launcher: str = "local"
    launcher_options: tuple[str, ...] = ()
    """'key=value', for the launcher."""
    rerun: bool = False

    def context(self, catalogue: Catalogue, *, here: bool = True) -> RunContext:
        """Return the resources of the request's cells, nothing opened yet; on its device if they run `here`."""
        from freeshot.basics.errors import MissingPoolError
        from freeshot.engine.devices import choose_device
        from freeshot.pipeline.context import RunContext
        from freeshot.pool.locate import find_pool

        device = choose_device(self.device if here else "cpu")
        context = RunContext(catalogue, self.cache, self.data, device, self.precision, self.pools)
        if self.pool is not None:
            try:
                location = find_pool(self.pool, catalogue, self.pools)
            except MissingPoolError:
                return context
            if not location.shipped:
                context.own_pools[location.name] = location.folder
        return context
