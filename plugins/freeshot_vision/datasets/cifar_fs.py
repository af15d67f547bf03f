"""CIFAR-FS: the hundred classes of CIFAR-100, split for few-shot learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from freeshot import Images
from freeshot.basics.errors import DataError
from freeshot.basics.files import read_bounded
from freeshot_vision.array_images import ArrayImages, array_images
from freeshot_vision.datasets.downloads import Download
from freeshot_vision.datasets.in_domain import class_folders
from freeshot_vision.datasets.published_dataset import PublishedDataset

RECORD = 2 + 3 * 32 * 32
"""Bytes of an image in the binary version: coarse label, fine label, red, green and blue rows."""
RECORDS = {"train.bin": 50_000, "test.bin": 10_000}
"""Files of the binary version, with their numbers of images."""


@dataclass(frozen=True)
class CifarFs(PublishedDataset):
    """CIFAR-FS: 100 classes with 600 photographs of 32 px each.

    Reads the binary version of CIFAR-100 (the Python version is a pickle, which is never opened), or class folders of
    images as published by the authors of CIFAR-FS.
    """

    name, domain, license = "cifar-fs", "photographs", "no formal licence"
    title, count = "CIFAR-100", 100
    publisher = "https://www.cs.toronto.edu/~kriz/cifar.html"
    citation = "Bertinetto et al., Meta-learning with differentiable closed-form solvers, ICLR 2019"
    split_source = "Bertinetto et al., 2019"

    downloads = (
        Download(
            ("cifar-100-binary", "cifar100/data", "meta_train", "train"),
            {"cifar-100-binary.tar.gz": "03b5dce01913d631647c71ecec9e9cb8", "cifar100.zip": ""},
        ),
    )

    def load(self, split: str, root: Path) -> Images:
        """Return one split."""
        from freeshot.data.csv_file import read_text

        folder = self.path(root)
        if folder.name != "cifar-100-binary":
            return super().load(split, root)
        names = dict.fromkeys(read_text(folder / "fine_label_names.txt", 1 << 16).split())
        return _read_binary(folder, tuple(names), self.checked_classes(split, root, names))

    def members(self, root: Path) -> Mapping[str, Sequence[Path]]:
        """Read class folders."""
        folder = self.path(root)
        return class_folders(folder if folder.name == "data" else folder.parent)


def _read_binary(folder: Path, names: tuple[str, ...], classes: tuple[str, ...]) -> ArrayImages:
    """Read the images of some classes, class by class, from both files: CIFAR-FS has no training images."""
    import numpy as np

    records = np.concatenate([_records(folder / name, most) for name, most in RECORDS.items()])  # [n, 3074]
    chosen = [records[records[:, 1] == names.index(name), 2:].reshape(-1, 3, 32, 32) for name in classes]
    return array_images(chosen, classes)


def _records(file: Path, most: int) -> NDArray[np.uint8]:
    import numpy as np

    try:
        content = np.frombuffer(read_bounded(file, most * RECORD), np.uint8)
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror or error}). Unpack CIFAR-100 again.") from None
    if not len(content) or len(content) % RECORD:
        raise DataError(f"{file} has {len(content)} bytes, not a multiple of {RECORD}. Unpack CIFAR-100 again.")
    return content.reshape(-1, RECORD)
