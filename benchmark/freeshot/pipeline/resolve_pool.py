"""Resolution of a cell's pool: the track's, or a requested one; users' own pools are identified by hash."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from freeshot.basics.errors import MissingPoolError
from freeshot.contracts.method import Needs
from freeshot.pipeline.resolve import needs_of
from freeshot.pool.locate import find_pool

if TYPE_CHECKING:
    from pathlib import Path

    from freeshot.contracts.tracks import Track
    from freeshot.pipeline.request import RunRequest
    from freeshot.plugin.catalogue import Catalogue
    from freeshot.pool.locate import PoolLocation
    from freeshot.records.models import RunSpec


@dataclass(frozen=True, eq=False)
class Pooled:
    """A cell with its resolved pool."""

    spec: RunSpec
    track: Track
    missing: str = ""
    """How to build its pool, if that has not been done yet."""


def pooled(spec: RunSpec, track: Track, request: RunRequest, catalogue: Catalogue) -> Pooled:
    """Resolve the pool of a cell; a cell whose method needs none stays unchanged.

    A user's own pool enters the cell by its hash, because its name does not determine its LoRAs.
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


def explicit_pool_folders(request: RunRequest, catalogue: Catalogue) -> dict[str, Path]:
    """Return name → folder of the requested pool, if it is a user's own."""
    if request.pool is None:
        return {}
    try:
        place = find_pool(request.pool, catalogue, request.pools)
    except MissingPoolError:
        return {}
    return {} if place.shipped else {place.name: place.folder}


def absolute_pool_name(asked: str, catalogue: Catalogue, pools: Path) -> str:
    """Return a pool name that is valid in any working directory: an absolute path if it was given by folder."""
    try:
        place = find_pool(asked, catalogue, pools)
    except MissingPoolError:
        return asked
    if place.shipped or place.folder == pools / place.name:
        return asked
    return f"{place.folder.absolute()}{_rest(place, asked)}"


def called(asked: str, catalogue: Catalogue, pools: Path) -> str:
    """Return a pool's name instead of its folder, with its part and poison."""
    place = find_pool(asked, catalogue, pools)
    return f"{place.name}{_rest(place, asked)}"


def _rest(place: PoolLocation, asked: str) -> str:
    """Return the suffix of a requested pool: part and poison."""
    _, plus, poison = asked.partition("+")
    part = f"/{place.part}" if place.part else ""
    return f"{part}{plus}{poison}"
