"""A person's own pictures: files in a folder, or in one folder per class, read at the size a network wants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from freeshot.basics.errors import DataError
from freeshot.data.pictures import ENDINGS, read_picture
from freeshot.data.trees import classes_in, pictures_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Pictures:
    """Picture files, all read as squares of one side; their shape is not kept, as in the field's protocols."""

    files: tuple[Path, ...]
    side: int

    def __len__(self) -> int:
        return len(self.files)

    def read(self, indices: Sequence[int]) -> Tensor:
        """Return uint8 [b, 3, side, side]; DataError names a file that is no picture."""
        return torch.stack([_read(self.files[index], self.side) for index in indices])


@dataclass(frozen=True, eq=False)
class LabelledPictures(Pictures):
    """Pictures in one folder per class."""

    classes: tuple[str, ...]
    labels: tuple[int, ...]


def open_classes(folder: Path, side: int) -> LabelledPictures:
    """Open a folder of class folders; DataError where there are fewer than two, or one without a picture."""
    found = classes_in(folder)
    if len(found) < 2:
        raise DataError(
            f"{folder} must hold one folder of pictures for each class, at least two, but holds {len(found)}."
        )
    files = tuple(file for members in found.values() for file in members)
    labels = tuple(label for label, members in enumerate(found.values()) for _ in members)
    return LabelledPictures(files, side, tuple(found), labels)


def open_pictures(folder: Path, side: int) -> Pictures:
    """Open all pictures at any depth of a folder, or a single file; DataError where there is none."""
    if folder.is_file():
        return Pictures((folder,), side)
    files = pictures_in(folder)
    if not files:
        raise DataError(f"{folder} holds no picture ({', '.join(sorted(ENDINGS))}). Name the folder that does.")
    return Pictures(files, side)


def _read(file: Path, side: int) -> Tensor:
    return torch.from_numpy(read_picture(file, side)).permute(2, 0, 1).contiguous()
