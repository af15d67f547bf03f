"""A person's own pictures: files in a folder, or in one folder per class, read at the size a network wants."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from freeshot.basics.errors import DataError
from freeshot.basics.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

LARGEST = 40_000_000
"""Pixels of a picture; more take a gigabyte while they are read."""
ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}


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
    _require_folder(folder)
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(classes) < 2:
        raise DataError(
            f"{folder} must hold one folder of pictures for each class, at least two, but holds {len(classes)}."
        )
    found = {path.name: _pictures_in(path) for path in classes}
    empty = [name for name, files in found.items() if not files]
    if empty:
        raise DataError(f"{folder / empty[0]} holds no picture. Put at least one there, or remove the class.")
    files = tuple(file for members in found.values() for file in members)
    labels = tuple(label for label, members in enumerate(found.values()) for _ in members)
    return LabelledPictures(files, side, tuple(found), labels)


def open_pictures(folder: Path, side: int) -> Pictures:
    """Open all pictures at any depth of a folder, or a single file; DataError where there is none."""
    if folder.is_file():
        return Pictures((folder,), side)
    _require_folder(folder)
    files = _pictures_in(folder)
    if not files:
        raise DataError(f"{folder} holds no picture ({', '.join(sorted(ENDINGS))}). Name the folder that does.")
    return Pictures(files, side)


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}. Name one that holds pictures.")


def _pictures_in(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file()))


def _read(file: Path, side: int) -> Tensor:
    """Read a picture as RGB over white, resized to a square."""
    from PIL import Image

    try:
        with Image.open(file) as opened:
            if opened.width * opened.height > LARGEST:
                raise DataError(
                    f"{file} has {opened.width} × {opened.height} pixels, more than {LARGEST / 1e6:.0f} million. "
                    "Make it smaller."
                )
            rgba = opened.convert("RGBA")
    # decoders of broken files raise these, and a bomb's own error is none of them
    except (OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise DataError(f"{file} cannot be read as a picture ({one_line(str(error))}). Remove or replace it.") from None
    paper = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    paper.alpha_composite(rgba)
    small = paper.convert("RGB").resize((side, side), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1).contiguous()
