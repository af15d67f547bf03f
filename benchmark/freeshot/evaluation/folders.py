"""A person's own pictures: files in a folder, or in one folder per class, read at the size a network wants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeshot.basics.errors import DataError
from freeshot.data.images import images_of
from freeshot.data.pictures import ENDINGS
from freeshot.data.trees import classes_in, pictures_in

if TYPE_CHECKING:
    from pathlib import Path

    from freeshot.data.images import FileImages


def open_classes(folder: Path, side: int) -> FileImages:
    """Open a folder of class folders; DataError where there are fewer than two, or one without a picture."""
    found = classes_in(folder)
    if len(found) < 2:
        raise DataError(
            f"{folder} must hold one folder of pictures for each class, at least two, but holds {len(found)}."
        )
    return images_of(found, tuple(found), None).at(side)


def open_pictures(folder: Path, side: int) -> FileImages:
    """Open all pictures at any depth of a folder, or a single file, as of one class; DataError where there is none."""
    files = [folder] if folder.is_file() else pictures_in(folder)
    if not files:
        raise DataError(f"{folder} holds no picture ({', '.join(sorted(ENDINGS))}). Name the folder that does.")
    return images_of({"": files}, ("",), None).at(side)
