"""Tracks, suites and profiles: what is asked of every method, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Track:
    """One question of the benchmark: these LoRAs, those novel classes, that many examples."""

    name: str
    """'in-domain/sketch/5w1s'."""
    dataset: str
    """Whose held-out classes are tested."""
    pool: str
    """Name of the LoRA pool."""
    sources: tuple[str, ...]
    """Data sets the pool was tuned on; a method that needs real images gets their base classes."""
    backbone: str
    split: str = "novel"
    """'novel' for the board; 'validation' for tracks on which settings may be chosen in the open."""
    way: int = 5
    shot: int = 1
    query: int = 15
    episodes: int = 600
    selection: str = "none"
    """How settings were chosen: never on test episodes."""
    version: int = 1
    """Rises with anything that moves a number; different versions never share a table."""
    episodes_sha256: str = ""
    """Hash of the frozen episode list with its images; empty where the images are not known beforehand."""
    indices_sha256: str = ""
    """Hash of the frozen list of indices alone, where the number of images per class is known without the images."""
    optional: bool = False
    """True where images must be fetched by hand first; run only by its full name, or in a suite that says `by_hand`."""


@dataclass(frozen=True)
class Row:
    """A method with options, as a suite asks for it."""

    method: str
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Profile:
    """A size of a suite: which rows with which options, and how many tracks and episodes."""

    rows: tuple[Row, ...]
    tracks: tuple[str, ...] = ("*",)
    """Patterns of track names."""
    limit: int | None = None
    """Episodes per track; a limited run is marked as not comparable."""
    summary: str = ""
    seeds: tuple[int, ...] = (0,)
    """Root seeds of training, where none is asked for; several make a claim about a method, not about one run."""


@dataclass(frozen=True)
class Suite:
    """Tracks that belong together, and the profiles they are run in; `full` is the one without --profile."""

    name: str
    summary: str
    tracks: tuple[str, ...]
    profiles: Mapping[str, Profile]
    by_hand: bool = False
    """True where all images are fetched by hand, so that whoever names the suite asks for its optional tracks."""
