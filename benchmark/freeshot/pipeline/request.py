"""The user's request, before any name is resolved."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


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
    launcher: str = "local"
    launcher_options: tuple[str, ...] = ()
    """'key=value', for the launcher."""
    rerun: bool = False
