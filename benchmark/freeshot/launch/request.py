"""The user's request, before any name is resolved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import OptionError

if TYPE_CHECKING:
    from freeshot.pipeline.context import RunContext
    from freeshot.plugin.catalogue import Catalogue
    from freeshot.records.models import Precision


@dataclass(frozen=True)
class MethodChoice:
    """A method to run, with options of its own."""

    name: str
    options: tuple[tuple[str, Any], ...] = ()
    """Sorted (key, value); keys as on the command line, 'learner.pace', values as text or typed."""

    @classmethod
    def of(cls, name: str, options: Mapping[str, Any]) -> MethodChoice:
        """Choose a method; a table of options is that of a component, whose 'name' selects it: `learner={"pace": 1}`.

        OptionError if a value is neither text, a number, a truth value, None nor a list of these.
        """
        return cls(name, tuple(sorted(_flat(options))))


def option_texts(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return options as the command line takes them, 'key=value'; nested tables as for a MethodChoice."""
    return tuple(f"{key}={_text(value)}" for key, value in _flat(options))


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _flat(options: Mapping[str, Any], owner: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the options of nested tables under dotted keys, in a hashable form."""
    for key, value in options.items():
        name = owner if owner and key == "name" else ".".join(filter(None, (owner, key)))
        if isinstance(value, Mapping):
            yield from _flat(value, name)
        else:
            yield name, _plain(name, value)


def _plain(name: str, value: Any) -> Any:
    if value is None:
        return "none"
    if isinstance(value, str | bool | float) or (isinstance(value, int) and abs(value) < 2**63):
        return value
    if isinstance(value, list | tuple):
        return tuple(_plain(name, item) for item in value)
    raise OptionError(
        f"Option '{name}' cannot be a value of type {type(value).__name__}; expected text, a number of 64 bits, "
        "true, false, or a list of these."
    )


@dataclass(frozen=True)
class RunRequest:
    """The arguments of `freeshot run`."""

    suite: str | None = None
    profile: str | None = None
    tracks: tuple[str, ...] = ()
    """Patterns of track names; empty uses those of the suite's profile."""
    methods: tuple[str | MethodChoice, ...] = ()
    """Methods by name, or with options of their own; empty uses the rows of the suite's profile."""
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
    save_predictions: bool = False
    """Write the predictions of each cell that runs beside its record."""

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
