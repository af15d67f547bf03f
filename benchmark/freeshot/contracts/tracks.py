"""Tracks, suites and profiles: the settings that every method is evaluated in, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Track:
    """One setting of the benchmark: a pool, a data set, and N-way K-shot episodes."""

    name: str
    """'in-domain/sketch/5w1s'."""
    dataset: str
    """Data set whose held-out classes are tested."""
    pool: str
    """Name of the LoRA pool."""
    sources: tuple[str, ...]
    """Data sets that the pool was tuned on; a method that needs real images gets their base classes."""
    backbone: str
    split: str = "novel"
    """'novel' for the leaderboard; 'validation' for tracks on which settings may be chosen."""
    way: int = 5
    shot: int = 1
    query: int = 15
    episodes: int = 600
    selection: str = "none"
    """How settings were chosen: never on test episodes."""
    version: int = 1
    """Incremented with any change of results; different versions never share a table."""
    episodes_sha256: str = ""
    """Hash of the frozen episode list with its images; empty if the images are not fixed in advance."""
    indices_sha256: str = ""
    """Hash of the frozen index list alone, if the number of images per class is fixed but the images are not."""
    optional: bool = False
    """True if images must be downloaded manually; run only by its full name, or in a suite with `manual_download`."""


@dataclass(frozen=True)
class Row:
    """A method with options, as an entry of a suite."""

    method: str
    options: Mapping[str, object] = field(default_factory=dict)
    tracks: tuple[str, ...] = ()
    """Patterns of the profile's tracks on which it is run; empty: all."""


@dataclass(frozen=True)
class Profile:
    """A size of a suite: its rows with options, tracks and number of episodes."""

    rows: tuple[Row, ...]
    tracks: tuple[str, ...] = ("*",)
    """Patterns of track names."""
    limit: int | None = None
    """Episodes per track; a limited run is marked as not comparable."""
    summary: str = ""
    seeds: tuple[int, ...] = (0,)
    """Root seeds of training, if the user gives none; several seeds support claims about a method, not about one
    run."""
    backbone: str = ""
    """Backbone instead of the tracks', which stay the same otherwise; empty: the tracks'."""
    pool: str = ""
    """Pool instead of the tracks'; empty: the tracks'."""


@dataclass(frozen=True)
class Suite:
    """Tracks that belong together, and the profiles they are run in; `full` is used without --profile."""

    name: str
    summary: str
    tracks: tuple[str, ...]
    profiles: Mapping[str, Profile]
    manual_download: bool = False
    """True if all images are downloaded manually; naming the suite then includes its optional tracks."""
    main: bool = False
    """True for the suite that `freeshot leaderboard` shows first."""
    reference: str = ""
    """Method whose row defines the difficulty of episodes, usually the frozen backbone alone."""
    pair: tuple[str, str] | None = None
    """Methods whose differences leaderboards show."""
