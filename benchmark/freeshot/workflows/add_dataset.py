"""Add a user's own data set: list images, choose the split, freeze the episodes, write the manifest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from freeshot.basics.errors import DataError, OptionError, PoolError
from freeshot.data.splits import NAMES, Split, drawn_split, read_split, require_known, split_of_rows
from freeshot.data.user_dataset import (
    ImageList,
    Manifest,
    TrackSettings,
    dataset_class,
    list_images,
    require_name,
    write_manifest,
)
from freeshot.data.verify import DatasetReport, check_dataset
from freeshot.engine.vit.backbone import backbone_provider
from freeshot.evaluation.episodes import episodes_sha256, track_episodes
from freeshot.plugin.catalogue import Catalogue
from freeshot.pool.cards import read_pool_card
from freeshot.pool.locate import POOL_CARD, POOLS, canonical_pool_name, find_pool
from freeshot.pool.store import open_pool

SHARES = (0.6, 0.2, 0.2)


@dataclass(frozen=True)
class AddRequest:
    """The arguments of `freeshot data add`."""

    name: str
    path: Path
    data: Path
    split: Path | None = None
    """A split file; without it the CSV's own column, and without that `shares` of the classes."""
    shares: tuple[float, ...] = SHARES
    seed: int = 0
    pool: str | None = None
    """A plugin's pool, or a user's own in `pools`; default: that of the main suite's tracks."""
    pools: Path = POOLS
    sources: tuple[str, ...] = ()
    """Data sets the pool was tuned on; if empty those of another track of that pool, or of its card."""
    backbone: str | None = None
    """Default: that of the main suite's tracks."""
    way: int = 5
    shot: int = 1
    query: int = 15
    episodes: int = 600
    fit: Literal["square", "centre"] = "square"
    domain: str = ""
    license: str = ""


def add_dataset(request: AddRequest, catalogue: Catalogue) -> tuple[Manifest, DatasetReport]:
    """Validate everything, then write the manifest; return it with the result of the image check."""
    require_name(request.name)
    _require_free(request.name, catalogue)
    pool, backbone = _pool_and_backbone(request, catalogue)
    backbone_provider(catalogue, backbone)
    pool = _lasting(pool, catalogue, request.pools)
    listed = list_images(request.path)
    split, split_from = _split(request, listed)
    settings = TrackSettings(
        pool=pool,
        sources=request.sources or _sources_of(pool, catalogue, request.pools),
        backbone=backbone,
        way=request.way,
        shot=request.shot,
        query=request.query,
        episodes=request.episodes,
    )
    manifest = Manifest(
        name=request.name,
        path=_portable(request.path, request.data),
        fit=request.fit,
        domain=request.domain,
        license=request.license,
        splits=split,
        split_from=split_from,
        settings=settings,
    )
    dataset = dataset_class(manifest)()
    novel = dataset.load("novel", request.data)
    frozen = episodes_sha256(track_episodes(manifest.track, novel), novel.sha256)
    report = check_dataset(dataset, request.data)
    if report.broken:
        more = f" {len(report.broken) - 1} more cannot be read either." if len(report.broken) > 1 else ""
        raise DataError(report.broken[0] + more)
    settings = settings.model_copy(update={"episodes_sha256": frozen})
    manifest = manifest.model_copy(update={"settings": settings})
    write_manifest(request.data, manifest)
    return manifest, report


def _portable(path: Path, data: Path) -> str:
    """Return a path relative to the data folder if inside it, so that the folder can be moved."""
    images, folder = path.resolve(), data.resolve()
    return str(images.relative_to(folder) if images.is_relative_to(folder) else images)


def _pool_and_backbone(request: AddRequest, catalogue: Catalogue) -> tuple[str, str]:
    """Return the requested pool and backbone; by default those of the main suite's first track."""
    if request.pool and request.backbone:
        return request.pool, request.backbone
    suite = catalogue.main_suite()
    if suite is None:
        raise OptionError("No installed suite has a default pool and backbone. Set --pool and --backbone.")
    track = catalogue.match_tracks(suite.tracks)[0]
    return request.pool or track.pool, request.backbone or track.backbone


def _split(request: AddRequest, listed: ImageList) -> tuple[Split, str]:
    if request.split is not None:
        split = read_split(request.split)
        require_known(split, listed.members, request.split, request.path)
        return split, request.split.name
    if listed.splits:
        return split_of_rows(listed.splits, request.path), f"the column 'split' of {request.path.name}"
    shares = ", ".join(f"{share:g} {part}" for share, part in zip(request.shares, NAMES, strict=False))
    split = drawn_split(tuple(listed.members), request.shares, request.seed, request.way)
    return split, f"{shares}; seed {request.seed}"


def _require_free(name: str, catalogue: Catalogue) -> None:
    """Refuse the name of a plugin's data set; a user's own data set is replaced."""
    if name in catalogue.names("dataset") and catalogue.registered("dataset", name).plugin.name != f"own-{name}":
        origin = catalogue.origin("dataset", name)
        raise DataError(f"'{name}' is already a data set of {origin}. Choose another name.")


def _lasting(pool: str, catalogue: Catalogue, pools: Path) -> str:
    """Return the name by which later runs find a pool; PoolError if they would not."""
    location = find_pool(pool, catalogue, pools)
    if not location.shipped and not (pools / location.name / POOL_CARD).is_file():
        raise PoolError(
            f"Tracks name their pool, and runs search '{location.name}' in {pools}, not in {location.folder}. Import "
            f"it first: freeshot pool import {location.folder} --backbone NAME --name {location.name}"
        )
    return canonical_pool_name(pool, catalogue, pools)


def _sources_of(pool: str, catalogue: Catalogue, pools: Path) -> tuple[str, ...]:
    """Return the data sets a pool was tuned on: those of another track of the pool, or of its card."""
    for track in catalogue.tracks().values():
        if track.pool == pool:
            return track.sources
    folder = find_pool(pool, catalogue, pools).folder
    entries = open_pool(folder, read_pool_card(folder).backbone_sha256).entries  # validates the card
    names = dict.fromkeys(str(entry.facts.get("dataset", "")) for entry in entries)
    return tuple(name for name in names if name in catalogue.names("dataset"))
