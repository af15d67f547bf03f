"""Image folders, listed in the same order on every machine; links that lead out of a folder are refused."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from freeshot.basics.errors import DataError
from freeshot.basics.text import counted
from freeshot.data.decode import ENDINGS, UNREAD
from freeshot.data.images import FileImages, images_of


def open_classes(folder: Path, side: int) -> FileImages:
    """Open a folder of class folders, images upright; DataError if there are fewer than two, or one has no image."""
    require_text(str(folder))
    classes = several_classes_in(folder)
    return replace(images_of(classes, tuple(classes), None), side=side, upright=True)


def open_pictures(folder: Path, side: int) -> FileImages:
    """Open all images at any depth of a folder, or one file, upright, as one class; DataError if there are none."""
    require_text(str(folder))
    files = [folder] if folder.is_file() else pictures_in(folder)
    if not files:
        raise DataError(f"{folder} has no image ({', '.join(sorted(ENDINGS))}). Choose another folder.")
    return replace(images_of({"": files}, ("",), None), side=side, upright=True)


def open_queries(folder: Path, side: int, classes: Sequence[str]) -> FileImages:
    """Open images as `open_pictures` does; the label of one outside of folders named after a class is −1."""
    pictures = open_pictures(folder, side)
    root = folder.parent if folder.is_file() else folder
    labels = np.array([_class_of(file, root, classes) for file in pictures.files], np.int64)  # [q]
    return replace(pictures, labels=labels, classes=tuple(classes))


def _class_of(file: Path, root: Path, classes: Sequence[str]) -> int:
    """Return the index of the class after which a folder around a file is named, the outermost below `root` first."""
    folders = (*file.relative_to(root).parts[:-1], root.name)
    return next((classes.index(name) for name in folders if name in classes), -1)


def several_classes_in(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Map the subfolders of a folder to their images; DataError if there are fewer than two, or one has none."""
    classes = classes_in(folder)
    if len(classes) < 2:
        stray = len(_stray(folder))
        advice = f"Move its {counted(stray, 'image')} into folders named after their classes." if stray else "Add more."
        raise DataError(
            f"{folder} must contain one folder of images per class, at least two, but contains {len(classes)}. {advice}"
        )
    return classes


def classes_in(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Map the subfolders of a folder to their images; DataError if one has none."""
    root = require_folder(folder)
    classes = {}
    for path in _entries(folder):
        if not path.is_dir():
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
    for path in _visible(folder, strict=True):
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


def stray_images(folder: Path) -> str:
    """Return a sentence about images beside the class folders of a folder; '' if there are none of either."""
    stray = len(_stray(folder)) if any(path.is_dir() for path in folder.glob("*")) else 0
    return (
        f"Left out {counted(stray, 'image')} beside the class folders of {folder}. Move them into one." if stray else ""
    )


def _stray(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.suffix.lower() in ENDINGS and path.is_file()]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise _unlisted(folder, error) from None


def _unlisted(folder: object, error: OSError) -> DataError:
    return DataError(
        f"The folder {folder} cannot be opened ({error.strerror}). Change its permissions or choose another."
    )


def _visible(folder: Path, *, strict: bool = False) -> Iterator[Path]:
    """Walk through the files and folders at any depth of a folder, except hidden ones; links are not followed.

    A folder that cannot be opened is left out, or, with `strict`, refused.
    """

    def refuse(error: OSError) -> None:
        if strict:
            raise _unlisted(error.filename, error)

    for parent, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(parent, name) for name in (*folders, *files) if not name.startswith("."))


def require_folder(folder: Path) -> Path:
    """Return the resolved path of a folder; DataError if it does not exist."""
    if not folder.is_dir():
        fault = f"{folder} is not a folder" if folder.exists() else f"The folder {folder} does not exist"
        raise DataError(f"{fault}. Choose a folder of images.")
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
