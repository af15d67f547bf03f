"""List of all data sets with their splits and whether their files are present."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import FreeshotError
from freeshot.contracts.component import build, name_and_options
from freeshot.data.splits import NAMES

if TYPE_CHECKING:
    from pathlib import Path

    from freeshot.contracts.dataset import FewShotDataset
    from freeshot.plugin.catalogue import Catalogue


@dataclass(frozen=True)
class DatasetListing:
    """A data set, as a line of a list."""

    name: str
    domain: str
    license: str
    splits: str
    """Classes of each split, '64 base, 16 validation, 20 novel'; '' if unknown without the files."""
    is_available: bool


def list_datasets(catalogue: Catalogue, data: Path) -> list[DatasetListing]:
    """List all data sets without reading an image."""
    return [_shelved(dataset_by_name(catalogue, name), data) for name in catalogue.names("dataset")]


def dataset_by_name(catalogue: Catalogue, name: str) -> FewShotDataset:
    """Construct the data set `name`, which may include options: 'cub:fit=centre'."""
    plain, options = name_and_options(name)
    dataset: Any = build(catalogue.component("dataset", plain), options)
    made: FewShotDataset = dataset
    return made


def _shelved(dataset: FewShotDataset, data: Path) -> DatasetListing:
    counts, is_available = dict(dataset.class_counts()), dataset.is_available(data)
    if is_available is None:
        counts = _opened(dataset, data)
        is_available = bool(counts)
    splits = ", ".join(f"{count} {split}" for split, count in counts.items() if count)
    return DatasetListing(dataset.name, dataset.domain, dataset.license, splits, is_available)


def _opened(dataset: FewShotDataset, data: Path) -> dict[str, int]:
    """Count a data set's classes by opening it, if it does not declare them."""
    counts = {}
    for split in NAMES:
        with suppress(FreeshotError):
            counts[split] = len(dataset.load(split, data).classes)
    return counts
