"""Which pool a cell opens: its track's, or one that was asked for in its place; one's own are known by their hash."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from freeshot.basics.errors import MissingPoolError
from freeshot.contracts.method import Needs
from freeshot.pool.places import find_pool
from freeshot.run.parts import needs_of

if TYPE_CHECKING:
    from pathlib import Path

    from freeshot.contracts.records import RunSpec
    from freeshot.contracts.tracks import Track
    from freeshot.plugin.catalogue import Catalogue
    from freeshot.pool.places import Place
    from freeshot.run.request import RunRequest


@dataclass(frozen=True, eq=False)
class Pooled:
    """A cell whose pool is settled."""

    spec: RunSpec
    track: Track
    missing: str = ""
    """How to build its pool, where that was not done yet."""


def pooled(spec: RunSpec, track: Track, request: RunRequest, catalogue: Catalogue) -> Pooled:
    """Settle the pool of a cell; one whose method needs none stays as it is, whatever pool was asked for.

    A pool of one's own is part of the cell by its hash, because its name alone does not say which LoRAs it holds.
    """
    if not needs_of(catalogue, spec) & {Needs.POOL, Needs.QUERIES}:
        return Pooled(spec, track)
    try:
        place = find_pool(request.pool or track.pool, catalogue, request.pools)
    except MissingPoolError as error:
        return Pooled(spec, replace(track, pool=request.pool or track.pool), str(error))
    changes = {"pool_sha256": place.identity}
    if request.pool is not None:
        track = replace(track, pool=called(request.pool, catalogue, request.pools))
        changes["other_pool"] = track.pool if track.pool != spec.track.pool else ""
    return Pooled(spec.model_copy(update={"track": spec.track.model_copy(update=changes)}), track)


def asked_folders(request: RunRequest, catalogue: Catalogue) -> dict[str, Path]:
    """Return the folder of the pool that was asked for, by the name that runs call it, where it is one's own."""
    if request.pool is None:
        return {}
    try:
        place = find_pool(request.pool, catalogue, request.pools)
    except MissingPoolError:
        return {}
    return {} if place.shipped else {place.name: place.folder}


def from_anywhere(asked: str, catalogue: Catalogue, pools: Path) -> str:
    """Name a pool so that it is found from another working folder too: by its whole path, if by its folder at all."""
    try:
        place = find_pool(asked, catalogue, pools)
    except MissingPoolError:
        return asked
    if place.shipped or place.folder == pools / place.name:
        return asked
    return f"{place.folder.absolute()}{_rest(place, asked)}"


def called(asked: str, catalogue: Catalogue, pools: Path) -> str:
    """Call a pool by its name where its folder was given; a part and a poison stay."""
    place = find_pool(asked, catalogue, pools)
    return f"{place.name}{_rest(place, asked)}"


def _rest(place: Place, asked: str) -> str:
    """Return what was asked for beside the pool itself: a part, a poison."""
    _, plus, poison = asked.partition("+")
    part = f"/{place.part}" if place.part else ""
    return f"{part}{plus}{poison}"
