"""Image folders, listed in the same order on every machine; links that lead out of a folder are refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from freeshot.basics.errors import DataError
from freeshot.basics.text import counted
from freeshot.data.decode import ENDINGS, UNREAD
from freeshot.data.images import FileImages, images_of


def open_classes(folder: Path, side: int) -> FileImages:
    """Open a folder of class folders; DataError if there are fewer than two, or one has no image."""
    classes = several_classes_in(folder)
    return images_of(classes, tuple(classes), None).at(side)


def open_pictures(folder: Path, side: int) -> FileImages:
    """Open all images at any depth of a folder, or a single file, as one class; DataError if there are none."""
    files = [folder] if folder.is_file() else pictures_in(folder)
    if not files:
        raise DataError(f"{folder} has no image ({', '.join(sorted(ENDINGS))}). Choose another folder.")
    return images_of({"": files}, ("",), None).at(side)


def several_classes_in(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Map the subfolders of a folder to their images; DataError if there are fewer than two, or one has none."""
    classes = classes_in(folder)
    if len(classes) < 2:
        raise DataError(
            f"{folder} must contain one folder of images per class, at least two, but contains {len(classes)}."
        )
    return classes


def classes_in(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Map the subfolders of a folder to their images; DataError if one has none."""
    root = require_folder(folder)
    classes = {}
    for path in sorted(folder.iterdir()):
        if not path.is_dir() or path.name.startswith("."):
            continue
        require_text(path.name)
        require_inside(path, root)
        classes[path.name] = pictures_in(path)
        if not classes[path.name]:
            raise DataError(f"{path} has no image. Add at least one, or remove the class.")
    return classes


def pictures_in(folder: Path) -> tuple[Path, ...]:
    """List the images at any depth, by name; DataError for a link that leads out of the folder."""
    root = require_folder(folder)
    pictures = []
    for path in _visible(folder):
        require_text(path.name)
        is_picture = path.suffix.lower() in ENDINGS
        if is_picture or path.is_dir():
            require_inside(path, root)
        if is_picture and path.is_file():
            pictures.append(path)
    return tuple(sorted(pictures))


def left_out(*folders: Path) -> str:
    """Return a sentence about images of unsupported formats at any depth of folders; '' if there are none."""
    files = {path for folder in folders for path in _visible(folder) if path.suffix.lower() in UNREAD}
    endings = ", ".join(sorted({path.suffix.lower() for path in files}))
    count = counted(len(files), "file")
    return f"Left out {count} in unsupported formats: {endings}. Save images as PNG or JPEG." if files else ""


def _visible(folder: Path) -> Iterator[Path]:
    """Walk through the files and folders at any depth of a folder, except hidden ones; links are not followed."""
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(parent, name) for name in (*folders, *files) if not name.startswith("."))


def require_folder(folder: Path) -> Path:
    """Return the resolved path of a folder; DataError if it does not exist."""
    if not folder.is_dir():
        raise DataError(f"The folder {folder} does not exist. Choose a folder of images.")
    return real_path(folder)


def require_text(*names: str) -> None:
    """Require names in valid UTF-8, because records cannot store others."""
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise DataError(f"The name {name!r} is not valid UTF-8. Rename that file or folder.") from None


def require_inside(path: Path, root: Path) -> None:
    """Refuse a symbolic link that leads out of a folder; `root` is the folder's resolved path."""
    if path.is_symlink() and not real_path(path).is_relative_to(root):
        raise DataError(f"{path} is a link that leads out of {root}. Put the files themselves there.")


def real_path(path: Path) -> Path:
    """Resolve all links; DataError if they form a loop."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # the latter until Python 3.12
        raise DataError(f"{path} is part of a loop of links. Put the files themselves there.") from None


def member(root: Path, name: str) -> Path:
    """Return a table's file given relative to a folder; DataError if the name leads out of it."""
    path = root / name
    if "\0" in name or Path(name).is_absolute() or not real_path(path).is_relative_to(real_path(root)):
        raise DataError(f"The file name {name!r} leads out of {root}. Use file names relative to that folder.")
    return path
