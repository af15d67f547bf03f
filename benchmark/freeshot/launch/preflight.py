"""Preflight checks of a run: files, packages, folders, images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeshot.basics.errors import DataError, FreeshotError
from freeshot.basics.files import fingerprint, require_writable
from freeshot.contracts.component import spelled
from freeshot.contracts.dataset import wrong_size
from freeshot.contracts.method import Needs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from freeshot.contracts.backbone import BackboneProvider
    from freeshot.contracts.dataset import Images
    from freeshot.pipeline.context import RunContext
    from freeshot.pipeline.resolve import PlannedCell
    from freeshot.records.models import ComponentSpec

SPLITS = {Needs.BASE_IMAGES: "base", Needs.VALIDATION: "validation"}
"""Splits of the pool's data sets that a method may request."""


def require_ready(cells: Sequence[PlannedCell], context: RunContext, results: Path) -> None:
    """Check that cells have all they need; DataError lists everything missing, StoreError an unwritable folder."""
    require_writable(results, "--results")
    parts = _of_parts(cells, context)
    _refuse([*parts, *_of_images(cells, context)])


def require_parts_ready(cell: PlannedCell, context: RunContext) -> None:
    """Check that a cell's components have all they need; DataError lists everything missing."""
    _refuse(_of_parts([cell], context))


def _refuse(lacking: Iterable[str]) -> None:
    sentences = dict.fromkeys(filter(None, lacking))
    if sentences:
        raise DataError(" ".join(sentences))


def _of_parts(cells: Sequence[PlannedCell], context: RunContext) -> Iterator[str]:
    """Check each component once."""
    specs = [cell.spec for cell in cells]
    used = [part for spec in specs for part in (spec.method, *spec.components.values(), spec.backbone)]
    parts = {fingerprint(part.recipe()): part for part in used}
    for part in parts.values():
        try:
            context.component(part).require_ready()
        except FreeshotError as error:
            yield str(error)


def _of_images(cells: Sequence[PlannedCell], context: RunContext) -> Iterator[str]:
    """Open each split of a data set once, and compare its image size with those of its backbones."""
    checked: dict[tuple[str, str, str], ComponentSpec] = {}
    for cell in cells:
        backbone = cell.spec.backbone
        for dataset, split in _splits(cell):
            checked[dataset, split, backbone.model_dump_json()] = backbone
    for (dataset, split, _), backbone in checked.items():
        try:
            images = context.images(dataset, split)
            yield _of_size(images, dataset, context.component(backbone))
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


def _splits(cell: PlannedCell) -> Iterator[tuple[str, str]]:
    yield cell.track.dataset, cell.track.split
    yield from ((name, split) for need, split in SPLITS.items() if need in cell.needs for name in cell.track.sources)
