"""Folders of pictures, in an order that is the same on every machine; links that lead out of a folder are refused."""

from __future__ import annotations

import os
from pathlib import Path

from freeshot.basics.errors import DataError
from freeshot.data.pictures import ENDINGS


def require_folder(folder: Path) -> Path:
    """Return a folder's real place; DataError where there is none."""
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}. Name one that holds pictures.")
    return folder.resolve()


def pictures_in(folder: Path) -> tuple[Path, ...]:
    """List the pictures at any depth, by name; DataError at a link that leads out of the folder."""
    root = require_folder(folder)
    found: list[Path] = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in folders:
            require_inside(Path(place, name), root)
        for name in files:
            path = Path(place, name)
            if path.suffix.lower() in ENDINGS and not name.startswith("."):
                require_inside(path, root)
                found.append(path)
    return tuple(sorted(path for path in found if path.is_file()))


def classes_in(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Map the names of the folders in a folder to their pictures; DataError where one holds none."""
    root = require_folder(folder)
    places = sorted(place for place in folder.iterdir() if place.is_dir() and not place.name.startswith("."))
    for place in places:
        require_inside(place, root)
    found = {place.name: pictures_in(place) for place in places}
    empty = [name for name, files in found.items() if not files]
    if empty:
        raise DataError(f"{folder / empty[0]} holds no picture. Put at least one there, or remove the class.")
    return found


def require_inside(path: Path, root: Path) -> None:
    """Refuse a symbolic link that leads out of a folder; `root` is the folder's real place."""
    if path.is_symlink() and not path.resolve().is_relative_to(root):
        raise DataError(f"{path} is a link that leads out of {root}. Put the files themselves there.")


def member(root: Path, name: str) -> Path:
    """Return the file that a table names relative to a folder; DataError where the name leads out of it."""
    path = root / name
    if "\0" in name or Path(name).is_absolute() or not path.resolve().is_relative_to(root.resolve()):
        raise DataError(
            f"The file name {name!r} leads out of {root}. Name files relative to that folder, inside of it."
        )
    return path
