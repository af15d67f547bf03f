"""Quick, Draw!: doodles of 345 things, one file of small bitmaps each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from freeshot.basics.errors import DataError
from freeshot.basics.validators import require_positive
from freeshot_vision.array_images import ArrayImages, array_images
from freeshot_vision.datasets.downloads import Download
from freeshot_vision.datasets.published_dataset import PublishedDataset

SIDE = 28
"""Pixels along each side of a bitmap."""


@dataclass(frozen=True)
class QuickDraw(PublishedDataset):
    """Quick, Draw!: 345 classes of doodles, white on black, drawn by people in 20 seconds.

    Reads the publisher's bitmaps of 28 px, one .npy file per class. Only the first thousand drawings of each class are
    read, of 50 million in total.
    """

    name, domain, license = "quick-draw", "drawings", "CC-BY-4.0"
    title, count = "Quick, Draw!", 345
    publisher = "https://github.com/googlecreativelab/quickdraw-dataset, its folder full/numpy_bitmap"
    citation = "Ha and Eck, A neural representation of sketch drawings, ICLR 2018"
    split_source = "Meta-Dataset, 2020"

    per_class: int = 1000
    """Maximal number of drawings per class, from the start of its file."""

    def __post_init__(self) -> None:
        require_positive(self, "per_class")

    downloads = (Download(("numpy_bitmap", "full/numpy_bitmap")),)

    def members(self, root: Path) -> Mapping[str, Sequence[Path]]:
        """Find the file of each class by its name."""
        from freeshot.data.image_folder import member, require_text

        folder = self.path(root)
        files = [member(folder, file.name) for file in sorted(folder.glob("*.npy")) if file.is_file()]
        require_text(*(file.name for file in files))
        return {file.stem: (file,) for file in files}

    def load(self, split: str, root: Path) -> ArrayImages:
        """Return one split; files of the classes of other splits may be missing."""
        from freeshot.data.splits import Split, require_known

        members = self.members(root)
        _, classes = self.classes_of(split, root, members)
        require_known(Split(novel=classes), members, f"The {split} split of '{self.name}'", self.path(root))
        return array_images([_bitmaps(members[name][0], self.per_class) for name in classes], classes)


def _bitmaps(file: Path, count: int) -> NDArray[np.uint8]:
    """Read the first `count` drawings of a file: [n, 1, 28, 28]."""
    import numpy as np

    try:
        drawings = np.lib.format.open_memmap(file, mode="r")  # cannot open a pickle, which cannot be mapped
    except Exception as error:  # noqa: BLE001 - numpy's reader raises anything on corrupt headers
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{file} cannot be read as an array ({reason}). Download it again.") from None
    if drawings.dtype != np.uint8 or drawings.ndim != 2 or drawings.shape[1] != SIDE**2:
        raise DataError(
            f"{file} contains {drawings.dtype} of shape {drawings.shape}, but bitmaps are uint8 of shape "
            f"(n, {SIDE**2}). Download it again."
        )
    return np.array(drawings[:count]).reshape(-1, 1, SIDE, SIDE)
