"""CIFAR-FS: the hundred classes of CIFAR-100, split for few-shot learning.

Copies come as the publisher's binary files, or as class folders of lossless images whose names and order differ from
copy to copy. Images of a class are therefore ordered by the hash of their pixels: every copy gives the same images,
hash and episodes. Axes: n images of 3 × 32 × 32 bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from freeshot.basics.errors import DataError, OptionError
from freeshot.basics.files import read_bounded
from freeshot_vision.array_images import ArrayImages, array_images
from freeshot_vision.datasets.downloads import Download
from freeshot_vision.datasets.in_domain import class_folders
from freeshot_vision.datasets.published_dataset import PublishedDataset

SIDE = 32
RECORD = 2 + 3 * SIDE * SIDE
"""Bytes of an image in the binary version: coarse label, fine label, red, green and blue rows."""
RECORDS = {"train.bin": 50_000, "test.bin": 10_000}
"""Files of the binary version, with their numbers of images."""


@dataclass(frozen=True)
class CifarFs(PublishedDataset):
    """CIFAR-FS: 100 classes with 600 photographs of 32 px each.

    Reads the binary version of CIFAR-100 (the Python version is a pickle, which is never opened), or class folders of
    images as published by the authors of CIFAR-FS. Both give the same images in the same order.
    """

    name, domain, license = "cifar-fs", "photographs", "no formal licence"
    title, count = "CIFAR-100", 100
    publisher = "https://www.cs.toronto.edu/~kriz/cifar.html"
    citation = "Bertinetto et al., Meta-learning with differentiable closed-form solvers, ICLR 2019"
    split_source = "Bertinetto et al., 2019"

    per_class: int = 0
    """Read at most so many images of each class, the same ones from every copy; 0: all."""

    downloads = (
        Download(
            ("cifar-100-binary", "cifar100/data", "data", "meta_train", "train"),
            {"cifar-100-binary.tar.gz": "03b5dce01913d631647c71ecec9e9cb8", "cifar100.zip": ""},
            offered={"cifar-100-binary.tar.gz": "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz"},
        ),
    )

    def __post_init__(self) -> None:
        if self.per_class < 0:
            raise OptionError(f"Option 'per_class' of 'cifar-fs' must not be negative, but is {self.per_class}.")

    def load(self, split: str, root: Path) -> ArrayImages:
        """Return one split."""
        folder = self.path(root)
        members: Mapping[str, Sequence[Path]]
        if folder.name == "cifar-100-binary":
            labels = _binary_labels(folder)
            records = _read_binary(folder)  # [n, 3074]
            members = dict.fromkeys(labels, ())
            classes = self.checked_classes(split, root, members)
            pixels = [records[records[:, 1] == labels[name], 2:].reshape(-1, 3, SIDE, SIDE) for name in classes]
        else:
            members = self.members(root)
            classes = self.checked_classes(split, root, members)
            pixels = [_read_files(members[name]) for name in classes]
        orders = [_by_content(own)[: self.per_class or None] for own in pixels]
        files = [members[name][i] for name, order in zip(classes, orders, strict=True) if members[name] for i in order]
        images = array_images([own[order] for own, order in zip(pixels, orders, strict=True)], classes)
        return replace(images, fit=self.fit, files=tuple(files))

    def members(self, root: Path) -> Mapping[str, Sequence[Path]]:
        """Read class folders."""
        folder = self.path(root)
        return class_folders(folder if folder.name == "data" else folder.parent)


def _by_content(pixels: NDArray[np.uint8]) -> list[int]:
    """Order images [n, 3, 32, 32] by the hash of their pixels, which makes the first of them a random sample."""
    hashes = [hashlib.sha256(image.tobytes()).digest() for image in pixels]
    return sorted(range(len(hashes)), key=hashes.__getitem__)


def _read_files(files: Sequence[Path]) -> NDArray[np.uint8]:
    """Decode image files: [n, 3, 32, 32]."""
    import numpy as np

    from freeshot.data.decode import read_picture

    return np.stack([read_picture(file, SIDE) for file in files]).transpose(0, 3, 1, 2)


def _binary_labels(folder: Path) -> dict[str, int]:
    """Map the class names of the binary version to their labels."""
    from freeshot.data.csv_file import read_text

    names = read_text(folder / "fine_label_names.txt", 1 << 16).split()
    return {name: label for label, name in enumerate(names)}


def _read_binary(folder: Path) -> NDArray[np.uint8]:
    """Read the records of both files [n, 3074], because CIFAR-FS splits classes, not images."""
    import numpy as np

    return np.concatenate([_records(folder / name, most) for name, most in RECORDS.items()])


def _records(file: Path, most: int) -> NDArray[np.uint8]:
    import numpy as np

    try:
        content = np.frombuffer(read_bounded(file, most * RECORD), np.uint8)
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror or error}). Unpack CIFAR-100 again.") from None
    if not len(content) or len(content) % RECORD:
        raise DataError(f"{file} has {len(content)} bytes, not a multiple of {RECORD}. Unpack CIFAR-100 again.")
    return content.reshape(-1, RECORD)
