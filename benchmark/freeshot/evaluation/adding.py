"""Add a person's own data set: list its pictures, settle its split, freeze its episodes, write its manifest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from freeshot.basics.errors import DataError
from freeshot.data.checking import Found, check_dataset
from freeshot.data.manifest import Manifest, Parts, Question, write_manifest
from freeshot.data.own import Listed, dataset_class, list_images, require_name
from freeshot.data.splits import NAMES, Split, drawn_split, read_split, require_known, split_of_rows
from freeshot.evaluation.episodes import episodes_sha256, track_episodes

if TYPE_CHECKING:
    from freeshot.plugin.catalogue import Catalogue

SHARES = (0.6, 0.2, 0.2)


@dataclass(frozen=True)
class AddRequest:
    """The arguments of `freeshot data add`."""

    name: str
    path: Path
    data: Path
    split: Path | None = None
    """A split file; without it the CSV's own column, without that shares of the classes."""
    shares: tuple[float, ...] = SHARES
    seed: int = 0
    pool: str = "pocket"
    sources: tuple[str, ...] = ()
    """Data sets the pool was tuned on; empty takes those of another track of that pool."""
    backbone: str = "pocket-vit"
    way: int = 5
    shot: int = 1
    query: int = 15
    episodes: int = 600
    fit: Literal["square", "centre"] = "square"
    domain: str = ""
    license: str = ""


def add_dataset(request: AddRequest, catalogue: Catalogue) -> tuple[Manifest, Found]:
    """Check everything first, then write the manifest; return it with what a look at the images found."""
    require_name(request.name)
    _require_free(request.name, catalogue)
    catalogue.component("backbone", request.backbone)
    catalogue.pool(request.pool)
    listed = list_images(request.path)
    split, split_from = _split(request, listed)
    asked = Question(
        pool=request.pool,
        sources=request.sources or _sources_of(request.pool, catalogue),
        backbone=request.backbone,
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
        splits=Parts(base=split.base, validation=split.validation, novel=split.novel),
        split_from=split_from,
        question=asked,
    )
    dataset = dataset_class(manifest)()
    novel = dataset.load("novel", request.data)
    frozen = episodes_sha256(track_episodes(manifest.track, novel), novel.sha256)
    found = check_dataset(dataset, request.data)
    if found.broken:
        more = f" {len(found.broken) - 1} more cannot be read either." if len(found.broken) > 1 else ""
        raise DataError(found.broken[0] + more)
    question = asked.model_copy(update={"episodes_sha256": frozen})
    manifest = manifest.model_copy(update={"question": question})
    write_manifest(request.data, manifest)
    return manifest, found


def _portable(path: Path, data: Path) -> str:
    """Name a place in the data folder relative to it, so that the folder can be moved as a whole."""
    place, folder = path.resolve(), data.resolve()
    return str(place.relative_to(folder) if place.is_relative_to(folder) else place)


def _split(request: AddRequest, listed: Listed) -> tuple[Split, str]:
    if request.split is not None:
        split = read_split(request.split)
        require_known(split, listed.members, request.split, request.path)
        return split, request.split.name
    if listed.splits:
        return split_of_rows(listed.splits, request.path), f"the column 'split' of {request.path.name}"
    shares = ", ".join(f"{share:g} {part}" for share, part in zip(request.shares, NAMES, strict=False))
    return drawn_split(tuple(listed.members), request.shares, request.seed), f"{shares}; seed {request.seed}"


def _require_free(name: str, catalogue: Catalogue) -> None:
    """Refuse a name that a plugin's data set has; a person's own is replaced."""
    if name in catalogue.names("dataset") and catalogue.plugin_of("dataset", name) != f"own-{name}":
        origin = catalogue.origin("dataset", name)
        raise DataError(f"'{name}' is a data set of {origin} already. Choose another name.")


def _sources_of(pool: str, catalogue: Catalogue) -> tuple[str, ...]:
    return next((track.sources for track in catalogue.tracks().values() if track.pool == pool), ())
