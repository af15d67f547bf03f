"""Image sheets: a whole data set as one lossless image and one readable card.

A sheet is a grid of equal square cells: column = class, row = drawing. Classes with fewer drawings than the sheet's
rows leave their last cells empty; the card has the counts. Sheets can be viewed in any image viewer, without code.
"""

from __future__ import annotations

import hashlib
import io
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import ConfigDict, Field, NonNegativeInt, TypeAdapter
from pydantic.dataclasses import dataclass

from freeshot.basics.errors import DataError
from freeshot.basics.files import read_bounded
from freeshot.data.decode import BROKEN, MOST_PIXELS
from freeshot_vision.array_images import ArrayImages

LARGEST_CARD = 16 * 2**20
"""Bytes."""


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class Card:
    """The content of a sheet: its classes, their counts and split, source and hash."""

    name: str
    title: str
    size: Annotated[int, Field(gt=0, lt=10_000)]
    """Side of a cell in pixels."""
    classes: tuple[str, ...]
    counts: tuple[NonNegativeInt, ...]
    split: dict[str, list[str]]
    """base / validation / novel -> class names."""
    sha256: str
    """Hash of the sheet file's bytes."""
    source: str
    license: str
    attribution: str
    notes: str = ""
    parts: dict[str, Any] | None = None
    """Further attribution, such as one licence per icon set."""

    def __post_init__(self) -> None:
        if len(self.counts) != len(self.classes):
            raise ValueError("sizes and counts do not match")
        if unknown := {name for names in self.split.values() for name in names} - {*self.classes}:
            raise ValueError(f"its split names '{min(unknown)}', which is not a class")

    @classmethod
    def read(cls, path: Path) -> Card:
        """Read a card; DataError if it is missing or not a card."""
        try:
            return TypeAdapter(cls).validate_json(read_bounded(path, LARGEST_CARD))
        except FileNotFoundError:
            raise DataError(f"The card {path} was not found. Reinstall freeshot: it belongs to the package.") from None
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise DataError(f"The card {path} cannot be read ({reason}). Reinstall freeshot to restore it.") from None


class SheetImages(ArrayImages):
    """The images of some classes of a sheet."""

    @cached_property
    def sha256(self) -> str:
        """Hash pixels [n, h, w, 3] and labels; frozen episode lists contain this hash, so its input must not change."""
        digest = hashlib.sha256(self.pixels.transpose(0, 2, 3, 1).tobytes())
        digest.update(self.labels.tobytes())
        return digest.hexdigest()


def open_sheet(folder: Path, name: str, split: str) -> SheetImages:
    """Open one split of the sheet `name`, verifying the file's hash against its card."""
    card = Card.read(folder / f"{name}.json")
    if split not in card.split:
        raise DataError(f"'{name}' has no split '{split}'. It has: {', '.join(card.split)}.")
    sheet, side = _pixels(folder / f"{name}.webp", card), card.size
    classes = [card.classes.index(c) for c in card.split[split]]
    counts = np.array([card.counts[c] for c in classes], dtype=np.int64)
    columns = [sheet[: card.counts[c] * side, c * side : (c + 1) * side] for c in classes]  # [n_c · h, w, 3] each
    none = np.empty((0, side, side, 3), dtype=np.uint8)  # a split may have no classes
    cells = np.concatenate([none, *(column.reshape(-1, side, side, 3) for column in columns)])  # [n, h, w, 3]
    labels = np.repeat(np.arange(len(classes), dtype=np.int64), counts)
    return SheetImages(cells.transpose(0, 3, 1, 2), labels, tuple(card.split[split]), side)


def _pixels(path: Path, card: Card) -> NDArray[np.uint8]:
    """Decode a sheet [rows · h, columns · w, 3]; DataError if it is invalid, too large or not the card's."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"The sheet {path} cannot be read ({error.strerror}). Reinstall freeshot.") from None
    if hashlib.sha256(content).hexdigest() != card.sha256:
        raise DataError(f"The sheet {path} does not match the hash in its card. Reinstall freeshot to restore it.")
    try:
        with Image.open(io.BytesIO(content), formats=("WEBP",)) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise ValueError(f"it claims {picture.width} × {picture.height} pixels")
            pixels = np.asarray(picture.convert("RGB"))
    except (*BROKEN, Image.DecompressionBombError) as error:
        raise DataError(f"The sheet {path} is not a valid image ({error}). Reinstall freeshot to restore it.") from None
    if pixels.shape[:2] != (max(card.counts) * card.size, len(card.classes) * card.size):
        raise DataError(f"The sheet {path} does not have the size in its card. Reinstall freeshot to restore it.")
    return pixels
