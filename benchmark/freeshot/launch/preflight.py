"""Preflight checks of a run: files, packages, folders, images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeshot.basics.errors import DataError, FreeshotError
from freeshot.basics.files import fingerprint, require_writable
from freeshot.contracts.component import spelled
from freeshot.contracts.dataset import wrong_size
from freeshot.contracts.method import Needs
from freeshot.pipeline.resolve import needs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from freeshot.contracts.backbone import BackboneProvider
    from freeshot.contracts.dataset import Images
    from freeshot.launch.plan import PlannedCell
    from freeshot.pipeline.context import RunContext
    from freeshot.records.models import Part, RunSpec

SPLITS = {Needs.BASE_IMAGES: "base", Needs.VALIDATION: "validation"}
"""Splits of the pool's data sets that a method may request."""


def require_ready(cells: Sequence[PlannedCell], environment: RunContext, results: Path) -> None:
    """Check that cells have all they need; DataError lists everything missing, StoreError an unwritable folder."""
    require_writable(results, "--results")
    parts = _of_parts((cell.spec for cell in cells), environment)
    _refuse([*parts, *_of_images(cells, environment)])


def require_parts_ready(spec: RunSpec, environment: RunContext) -> None:
    """Check that a spec's components have all they need; DataError lists everything missing."""
    _refuse(_of_parts([spec], environment))


def _refuse(lacking: Iterable[str]) -> None:
    sentences = dict.fromkeys(filter(None, lacking))
    if sentences:
        raise DataError(" ".join(sentences))


def _of_parts(specs: Iterable[RunSpec], environment: RunContext) -> Iterator[str]:
    """Check each component once."""
    parts = {fingerprint(part.recipe()): part for spec in specs for part in _parts(spec)}
    for part in parts.values():
        try:
            environment.component(part).require_ready()
        except FreeshotError as error:
            yield str(error)


def _parts(spec: RunSpec) -> list[Part]:
    return [spec.method, *spec.parts.values(), spec.backbone]


def _of_images(cells: Sequence[PlannedCell], environment: RunContext) -> Iterator[str]:
    """Open each split of a data set once, and compare its image size with those of its backbones."""
    seen: dict[tuple[str, str, str], Part] = {}
    for cell in cells:
        backbone = cell.spec.backbone
        for dataset, split in _splits(cell, environment):
            seen[dataset, split, backbone.model_dump_json()] = backbone
    for (dataset, split, _), backbone in seen.items():
        try:
            images = environment.images(dataset, split)
            yield _of_size(images, dataset, environment.component(backbone))
        except DataError as error:
            yield str(error)


def _of_size(images: Images, dataset: str, backbone: BackboneProvider) -> str:
    """Return why a backbone cannot take these images; '' if it can, or if the first one cannot be read."""
    try:
        return wrong_size(images, dataset, backbone.image_size(), spelled(backbone))
    except FreeshotError:
        raise
    except Exception:  # noqa: BLE001 - plugin code; only the cell that reads the image fails
        return ""


def _splits(cell: PlannedCell, environment: RunContext) -> Iterator[tuple[str, str]]:
    track, needs = cell.track, needs_of(environment.catalogue, cell.spec)
    yield track.dataset, track.split
    yield from ((name, split) for need, split in SPLITS.items() if need in needs for name in track.sources)
