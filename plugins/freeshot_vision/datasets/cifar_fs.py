"""CIFAR-FS: the hundred classes of CIFAR-100, split for few-shot learning."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from freeshot import Images
from freeshot.basics.errors import DataError
from freeshot_vision.datasets.in_domain import class_folders
from freeshot_vision.datasets.parts import Part
from freeshot_vision.datasets.published import PublishedDataset

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

RECORD = 2 + 3 * 32 * 32
"""Bytes of an image in the binary version: coarse label, fine label, red, green and blue rows."""


@dataclass(frozen=True)
class CifarFs(PublishedDataset):
    """CIFAR-FS: 100 classes with 600 photographs of 32 px each.

    Read is the binary version of CIFAR-100 (the Python version is a pickle, which is never opened), or class folders of
    pictures as the authors of CIFAR-FS ship them.
    """

    name, domain, license = "cifar-fs", "photographs", "no formal licence"
    title, count = "CIFAR-100", 100
    publisher = "https://www.cs.toronto.edu/~kriz/cifar.html"
    citation = "Bertinetto et al., Meta-learning with differentiable closed-form solvers, ICLR 2019"
    split_source = "Bertinetto et al., 2019"

    @classmethod
    def parts(cls) -> tuple[Part, ...]:
        """One archive, of either sort."""
        archives = {"cifar-100-binary.tar.gz": "03b5dce01913d631647c71ecec9e9cb8", "cifar100.zip": ""}
        return (Part(("cifar-100-binary", "cifar100/data", "meta_train", "train"), archives),)

    def load(self, split: str, root: Path) -> Images:
        """Return one split."""
        place = self.place(root)
        if place.name != "cifar-100-binary":
            return super().load(split, root)
        return _opened(place, self.split(root, ()).of(split))

    def members(self, root: Path) -> Mapping[str, Sequence[Path]]:
        """Read class folders."""
        place = self.place(root)
        return class_folders(place if place.name == "data" else place.parent)


@dataclass(frozen=True, eq=False)
class CifarImages:
    """Some classes of the binary version; implements `freeshot.Images`."""

    pixels: NDArray[np.uint8]
    """[n, 3, 32, 32]."""
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    side: int = 224

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, side: int) -> CifarImages:
        """Return the same images, shown at another size."""
        return replace(self, side=side)

    @cached_property
    def sha256(self) -> str:
        """Hash class names, labels and pixels."""
        digest = hashlib.sha256("\n".join(self.classes).encode())
        digest.update(self.labels.tobytes())
        digest.update(self.pixels.tobytes())
        return digest.hexdigest()

    def read(self, indices: Sequence[int]) -> Tensor:
        """Return uint8 [b, 3, side, side]."""
        import numpy as np
        import torch
        from PIL import Image

        from freeshot.data.pictures import fitted

        small = self.pixels[list(indices)].transpose(0, 2, 3, 1)  # [b, 32, 32, 3]
        shown = [np.array(fitted(Image.fromarray(image), self.side, "square")) for image in small]
        return torch.from_numpy(np.array(shown, dtype=np.uint8)).permute(0, 3, 1, 2).contiguous()


def _opened(place: Path, classes: tuple[str, ...]) -> CifarImages:
    """Take the images of some classes, class by class, out of both files: CIFAR-FS knows no training images."""
    import numpy as np

    names = _lines(place / "fine_label_names.txt")
    missing = sorted(set(classes) - set(names))
    if missing:
        raise DataError(f"{place / 'fine_label_names.txt'} does not name '{missing[0]}'. Unpack CIFAR-100 again.")
    records = np.concatenate([_records(place / name) for name in ("train.bin", "test.bin")])  # [n, 3074]
    chosen = [np.flatnonzero(records[:, 1] == names.index(name)) for name in classes]
    labels = np.repeat(np.arange(len(classes)), [len(where) for where in chosen]).astype(np.int64)
    return CifarImages(records[np.concatenate(chosen), 2:].reshape(-1, 3, 32, 32), labels, classes)


def _records(file: Path) -> NDArray[np.uint8]:
    import numpy as np

    try:
        content = np.fromfile(file, np.uint8)
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror}). Unpack CIFAR-100 again.") from None
    if not len(content) or len(content) % RECORD:
        raise DataError(f"{file} has {len(content)} bytes, no multiple of {RECORD}. Unpack CIFAR-100 again.")
    return content.reshape(-1, RECORD)


def _lines(file: Path) -> list[str]:
    from freeshot.data.tables import read_text

    return read_text(file, 1 << 16).split()
