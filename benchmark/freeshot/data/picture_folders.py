"""Users' own images: files in a folder, or in one folder per class, resized to the network's input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeshot.basics.errors import DataError
from freeshot.data.decode import ENDINGS
from freeshot.data.image_folder import classes_in, pictures_in
from freeshot.data.images import images_of

if TYPE_CHECKING:
    from pathlib import Path

    from freeshot.data.images import FileImages


def open_classes(folder: Path, side: int) -> FileImages:
    """Open a folder of class folders; DataError if there are fewer than two, or one has no image."""
    found = classes_in(folder)
    if len(found) < 2:
        raise DataError(
            f"{folder} must contain one folder of images per class, at least two, but contains {len(found)}."
        )
    return images_of(found, tuple(found), None).at(side)


def open_pictures(folder: Path, side: int) -> FileImages:
    """Open all images at any depth of a folder, or a single file, as one class; DataError if there are none."""
    files = [folder] if folder.is_file() else pictures_in(folder)
    if not files:
        raise DataError(f"{folder} has no image ({', '.join(sorted(ENDINGS))}). Choose another folder.")
    return images_of({"": files}, ("",), None).at(side)
