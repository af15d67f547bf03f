"""Data sets by name, and their properties that are available without reading an image."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import cast

from freeshot.basics.errors import DataError, FreeshotError
from freeshot.contracts.component import build, name_and_options
from freeshot.contracts.dataset import FewShotDataset, Images
from freeshot.data.splits import NAMES
from freeshot.plugin.catalogue import Catalogue


def dataset_by_name(catalogue: Catalogue, name: str) -> FewShotDataset:
    """Construct the data set `name`, which may include options: 'cub:fit=centre'."""
    plain, options = name_and_options(name)
    return cast("FewShotDataset", build(catalogue.component("dataset", plain), options))


def open_splits(dataset: FewShotDataset, root: Path) -> tuple[dict[str, Images], dict[str, str]]:
    """Open every split that has images; also return why others could not be opened."""
    opened: dict[str, Images] = {}
    absent: dict[str, str] = {}
    for name in NAMES:
        try:
            images = dataset.load(name, root)
        except DataError as error:
            absent[name] = str(error)
            continue
        if len(images):
            opened[name] = images
    return opened, absent


def classes_and_availability(dataset: FewShotDataset, data: Path) -> tuple[str, bool]:
    """Return '64 base, 16 validation, 20 novel' and whether the files are present; '' if unknown without them."""
    counts, is_available = dict(dataset.class_counts()), dataset.is_available(data)
    if is_available is None:  # it has to be opened
        counts = {}
        for split in NAMES:
            with suppress(FreeshotError):
                counts[split] = len(dataset.load(split, data).classes)
        is_available = bool(counts)
    return ", ".join(f"{count} {split}" for split, count in counts.items() if count), is_available
