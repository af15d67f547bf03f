"""Data sets by name, and their properties that are available without reading an image."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from freeshot.basics.errors import FreeshotError
from freeshot.contracts.component import build, name_and_options
from freeshot.contracts.dataset import FewShotDataset
from freeshot.data.splits import NAMES
from freeshot.plugin.catalogue import Catalogue


def dataset_by_name(catalogue: Catalogue, name: str) -> FewShotDataset:
    """Construct the data set `name`, which may include options: 'cub:fit=centre'."""
    plain, options = name_and_options(name)
    dataset: Any = build(catalogue.component("dataset", plain), options)
    made: FewShotDataset = dataset
    return made


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
