"""Image sheets: a whole data set as one lossless image and one readable card.

A sheet is a grid of equal square cells: column = class, row = drawing. Classes with fewer drawings than the sheet's
rows leave their last cells empty; the card has the counts. Sheets can be viewed in any image viewer, without code.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from freeshot.basics.errors import DataError
from freeshot.basics.files import read_bounded
from freeshot.data.decode import BROKEN, MOST_PIXELS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

LARGEST = 16 * 2**20
"""Maximal size of a card in bytes."""


@dataclass(frozen=True)
class Card:
    """The content of a sheet: its classes, their counts and split, source and hash."""

    name: str
    title: str
    size: int
    """Side of a cell in pixels."""
    classes: tuple[str, ...]
    counts: tuple[int, ...]
    split: Mapping[str, Sequence[str]]
    """base / validation / novel -> class names."""
    sha256: str
    """Hash of the sheet file's bytes."""
    source: str
    license: str
    attribution: str
    notes: str = ""
    parts: Mapping[str, Any] | None = None
    """Further attribution, such as one licence per icon set."""

    @classmethod
    def read(cls, path: Path) -> Card:
        """Read a card; DataError if it is missing or not a card."""
        try:
            fields = json.loads(read_bounded(path, LARGEST).decode("utf-8"))
            fields["classes"], fields["counts"] = tuple(fields["classes"]), tuple(fields["counts"])
            card = cls(**fields)
            _require_sound(card)
        except FileNotFoundError:
            raise DataError(f"The card {path} was not found. Reinstall freeshot: it belongs to the package.") from None
        except (AttributeError, KeyError, OSError, RecursionError, TypeError, ValueError) as error:
            raise DataError(f"The card {path} cannot be read ({error}). Reinstall freeshot to restore it.") from None
        return card


@dataclass(frozen=True)
class SheetImages:
    """The images of some classes of a sheet, decoded once, read by index."""

    cells: NDArray[np.uint8]
    """[n, h, w, 3], the drawings of class 0 first."""
    labels: NDArray[np.int64]
    """[n], index into `classes`."""
    classes: tuple[str, ...]
    side: int = 0
    """Side of the returned images in pixels; 0: as on the sheet."""

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, side: int) -> SheetImages:
        """Return the same images at another size."""
        from freeshot.contracts.images import shown_at

        return shown_at(self, side if side != self.cells.shape[1] else 0)

    def read(self, indices: Sequence[int] | NDArray[np.int64]) -> Tensor:
        """Return the images at `indices` as uint8 [b, 3, h, w]."""
        import torch

        from freeshot.data.decode import enlarged

        chosen = self.cells[np.asarray(indices, dtype=np.int64)]  # [b, h, w, 3]
        if self.side:
            chosen = enlarged(chosen, self.side)
        return torch.from_numpy(np.ascontiguousarray(chosen.transpose(0, 3, 1, 2)))

    @cached_property
    def sha256(self) -> str:
        """Hash of pixels and labels, which identifies the content."""
        digest = hashlib.sha256(self.cells.tobytes())
        digest.update(self.labels.tobytes())
        return digest.hexdigest()


def open_sheet(folder: Path, name: str, split: str) -> SheetImages:
    """Open one split of the sheet `name`, verifying the file's hash against its card."""
    card = Card.read(folder / f"{name}.json")
    if split not in card.split:
        raise DataError(f"'{name}' has no split '{split}'. It has: {', '.join(card.split)}.")
    path = folder / f"{name}.webp"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"The sheet {path} cannot be read ({error.strerror}). Reinstall freeshot.") from None
    if hashlib.sha256(content).hexdigest() != card.sha256:
        raise DataError(f"The sheet {path} does not match the hash in its card. Reinstall freeshot to restore it.")
    pixels = _pixels(content, path)
    if pixels.shape[:2] != (max(card.counts) * card.size, len(card.classes) * card.size):
        raise DataError(f"The sheet {path} does not have the size in its card. Reinstall freeshot to restore it.")
    wanted = [card.classes.index(c) for c in card.split[split]]
    columns = [pixels[: card.counts[c] * card.size, c * card.size : (c + 1) * card.size] for c in wanted]
    none = np.empty((0, card.size, card.size, 3), dtype=np.uint8)  # a split may have no classes
    cells = np.concatenate([none, *(column.reshape(-1, *none.shape[1:]) for column in columns)])
    counts = np.array([card.counts[c] for c in wanted], dtype=np.int64)
    labels = np.repeat(np.arange(len(wanted), dtype=np.int64), counts)
    return SheetImages(cells, labels, tuple(card.split[split]))


def _require_sound(card: Card) -> None:
    """Check the types and values of a card's fields; ValueError or TypeError."""
    texts = [card.name, card.sha256, *card.classes, *(name for part in card.split.values() for name in part)]
    numbers = [card.size, *card.counts]
    if not all(isinstance(text, str) for text in texts) or not all(type(number) is int for number in numbers):
        raise TypeError("a name or a number has another type")
    if not 0 < card.size < 10_000 or min(card.counts) < 0 or len(card.counts) != len(card.classes):
        raise ValueError("sizes and counts do not match")
    if unknown := {name for part in card.split.values() for name in part} - set(card.classes):
        raise ValueError(f"its split names '{min(unknown)}', which is not a class")


def _pixels(content: bytes, path: Path) -> NDArray[np.uint8]:
    """Decode a sheet [rows × h, columns × w, 3]; DataError if it is invalid or too large."""
    try:
        with Image.open(io.BytesIO(content), formats=("WEBP",)) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise ValueError(f"it claims {picture.width} × {picture.height} pixels")
            return np.asarray(picture.convert("RGB"))
    except (*BROKEN, Image.DecompressionBombError) as error:
        raise DataError(f"The sheet {path} is not a valid image ({error}). Reinstall freeshot to restore it.") from None
