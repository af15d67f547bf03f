"""Image folders, listed in the same order on every machine; links that lead out of a folder are refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from freeshot.basics.errors import DataError
from freeshot.data.decode import ENDINGS, UNREAD

if TYPE_CHECKING:
    from collections.abc import Iterator


def require_folder(folder: Path) -> Path:
    """Return the resolved path of a folder; DataError if it does not exist."""
    if not folder.is_dir():
        raise DataError(f"The folder {folder} does not exist. Choose a folder of images.")
    return real_place(folder)


def pictures_in(folder: Path) -> tuple[Path, ...]:
    """List the images at any depth, by name; DataError for a link that leads out of the folder."""
    root = require_folder(folder)
    found: list[Path] = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        require_text(place, *folders, *files)
        for name in folders:
            require_inside(Path(place, name), root)
        for name in files:
            path = Path(place, name)
            if path.suffix.lower() in ENDINGS and not name.startswith("."):
                require_inside(path, root)
                found.append(path)
    return tuple(sorted(path for path in found if path.is_file()))


def left_out(*folders: Path) -> str:
    """Return a sentence about images of unsupported formats at any depth of folders; '' if there are none."""
    files = {path for folder in folders for path in _visible(folder) if path.suffix.lower() in UNREAD}
    if not files:
        return ""
    endings = ", ".join(sorted({path.suffix.lower() for path in files}))
    many = f"{len(files)} files were left out, because their formats are not read: {endings}. Save them as PNG or JPEG."
    one = f"1 file was left out, because its format is not read: {endings}. Save it as PNG or JPEG."
    return one if len(files) == 1 else many


def _visible(folder: Path) -> Iterator[Path]:
    """Walk through the files at any depth of a folder, except hidden files and folders."""
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place, name) for name in files if not name.startswith("."))


def classes_in(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Map the subfolders of a folder to their images; DataError if one has none."""
    root = require_folder(folder)
    places = sorted(place for place in folder.iterdir() if place.is_dir() and not place.name.startswith("."))
    require_text(*(place.name for place in places))
    for place in places:
        require_inside(place, root)
    found = {place.name: pictures_in(place) for place in places}
    empty = [name for name, files in found.items() if not files]
    if empty:
        raise DataError(f"{folder / empty[0]} has no image. Add at least one, or remove the class.")
    return found


def require_text(*names: str) -> None:
    """Require names in valid UTF-8, because records cannot store others."""
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise DataError(f"The name {name!r} is not valid UTF-8. Rename that file or folder.") from None


def require_inside(path: Path, root: Path) -> None:
    """Refuse a symbolic link that leads out of a folder; `root` is the folder's resolved path."""
    if path.is_symlink() and not real_place(path).is_relative_to(root):
        raise DataError(f"{path} is a link that leads out of {root}. Put the files themselves there.")


def real_place(path: Path) -> Path:
    """Resolve all links; DataError if they form a loop."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # the latter until Python 3.12
        raise DataError(f"{path} is part of a loop of links. Put the files themselves there.") from None


def member(root: Path, name: str) -> Path:
    """Return a table's file given relative to a folder; DataError if the name leads out of it."""
    path = root / name
    if "\0" in name or Path(name).is_absolute() or not real_place(path).is_relative_to(real_place(root)):
        raise DataError(f"The file name {name!r} leads out of {root}. Use file names relative to that folder.")
    return path
