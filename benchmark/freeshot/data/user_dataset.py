"""Users' own data sets: a folder of class folders or a CSV file, available like a plugin's data set and track.

Each has a manifest, a JSON file `own/NAME.json` in the data folder.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from freeshot.basics.errors import DataError
from freeshot.basics.files import write_text
from freeshot.basics.text import first_problem
from freeshot.contracts.dataset import FewShotDataset
from freeshot.contracts.tracks import Track
from freeshot.data.csv_file import read_table, read_text
from freeshot.data.image_folder import classes_in, member
from freeshot.data.images import FileImages, images_of
from freeshot.data.splits import Split, checked, require_known
from freeshot.plugin.host import Host, PluginInfo

ORIGIN = "your data"
FOLDER = "own"
LARGEST = 16 * 2**20
"""Maximal size of a manifest in bytes."""
NAME = r"[a-z0-9][a-z0-9-]*"


class TrackSettings(BaseModel):
    """The settings of a data set's track."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pool: str
    sources: tuple[str, ...] = ()
    backbone: str
    way: int = Field(default=5, ge=2)
    shot: int = Field(default=1, ge=1)
    query: int = Field(default=15, ge=1)
    episodes: int = Field(default=600, ge=1, le=1_000_000)
    episodes_sha256: str = ""


class Manifest(BaseModel):
    """A user's own data set, as it was added."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    name: str = Field(pattern=f"^{NAME}$")
    path: str
    """A folder of class folders, or a CSV file: relative to the data folder if inside it, else absolute."""
    fit: Literal["square", "centre"] = "square"
    domain: str = ""
    license: str = ""
    splits: Split
    split_from: str = ""
    """Origin of the split, as text."""
    settings: TrackSettings

    @property
    def track(self) -> Track:
        """The track 'own/NAME/5w1s'."""
        settings = self.settings
        name = f"own/{self.name}/{settings.way}w{settings.shot}s"
        return Track(name=name, dataset=self.name, **settings.model_dump())


def manifest_path(data: Path, name: str) -> Path:
    """Return the path of a data set's manifest."""
    return data / FOLDER / f"{name}.json"


def hashes_path(data: Path, name: str) -> Path:
    """Return the path of the cached hashes of a data set's images."""
    return data / ".freeshot" / "hashes" / f"own-{name}.json"


def write_manifest(data: Path, manifest: Manifest) -> Path:
    """Write a manifest into the data folder."""
    path = manifest_path(data, manifest.name)
    write_text(path, manifest.model_dump_json(indent=1) + "\n")
    return path


def read_manifest(path: Path) -> Manifest:
    """Read and validate a manifest; DataError if it is invalid."""
    try:
        manifest = Manifest.model_validate_json(read_text(path, LARGEST))
    except ValidationError as error:
        raise DataError(
            f"{path} is not a valid data set manifest ({first_problem(error)}). Add the data set again."
        ) from None
    if manifest.name != path.stem:
        raise DataError(f"{path} describes the data set '{manifest.name}'. Rename the file or add the data set again.")
    checked(manifest.splits, f"The manifest of '{manifest.name}'")
    return manifest


@dataclass(frozen=True)
class ImageList:
    """Image files by class, and the split of each if the CSV file has that column."""

    members: dict[str, tuple[Path, ...]]
    splits: tuple[tuple[str, str], ...] = ()
    """(class, split) of every line."""


def list_images(path: Path) -> ImageList:
    """List the images of a folder of class folders, or of a CSV file with columns path, label and optionally split."""
    if _has_type(path, stat.S_ISDIR):
        classes = classes_in(path)
        if len(classes) < 2:
            raise DataError(f"{path} must hold one folder of pictures for each class, at least two.")
        return ImageList(classes)
    if path.suffix.lower() != ".csv" or not _has_type(path, stat.S_ISREG):
        raise DataError(f"{path} is neither a folder of class folders nor a CSV file (path,label[,split]). Name one.")
    rows = read_table(path, ("path", "label"), optional=("split",))
    root = path.parent.resolve()
    members: dict[str, dict[Path, None]] = {}
    for row in rows:
        file = member(root, row["path"])
        if not _has_type(file, stat.S_ISREG):
            raise DataError(f"{path} names {row['path']!r}, which does not exist. Add the file or remove the line.")
        members.setdefault(row["label"], {})[file] = None
    splits = tuple((row["label"], row["split"]) for row in rows if row.get("split"))
    if splits and len(splits) < len(rows):
        raise DataError(f"{path} names a split in {len(splits)} of {len(rows)} lines. Give it in all or in none.")
    return ImageList({label: tuple(files) for label, files in sorted(members.items())}, splits)


def _has_type(path: Path, is_type: Callable[[int], bool]) -> bool:
    """Return whether a path exists with this file type; False for invalid names."""
    try:
        return is_type(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def require_name(name: str) -> None:
    """Require a valid data set name."""
    if not re.fullmatch(NAME, name):
        raise DataError(f"'{name}' cannot be a data set's name. Use lower-case letters, digits and hyphens.")


@dataclass(frozen=True)
class UserDataset(FewShotDataset):
    """A user's own images."""

    manifest: ClassVar[Manifest]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as a manifest, because the class is created at run time and cannot be imported."""
        return _open_dataset, (self.manifest,)

    def load(self, split: str, root: Path) -> FileImages:
        """Return one split: 'base', 'validation' or 'novel'."""
        manifest = self.manifest
        path = root / manifest.path
        members = list_images(path).members
        require_known(manifest.splits, members, f"The split of '{self.name}'", path)
        return images_of(members, manifest.splits.of(split), hashes_path(root, self.name), manifest.fit)


@cache
def dataset_class(manifest: Manifest) -> type[UserDataset]:
    """Create the component class for a manifest."""
    attributes: dict[str, Any] = {
        "__doc__": f"Your own images from {manifest.path}.",
        "__module__": __name__,
        "name": manifest.name,
        "domain": manifest.domain,
        "license": manifest.license,
        "manifest": manifest,
    }
    made: type[UserDataset] = dataclass(frozen=True)(type("UserImages", (UserDataset,), attributes))
    return made


def _open_dataset(manifest: Manifest) -> UserDataset:
    return dataset_class(manifest)()


def register_user_datasets(host: Host, data: Path) -> None:
    """Register the data sets and tracks of a data folder; an invalid manifest is recorded and only skips itself."""
    for path in sorted((data / FOLDER).glob("*.json")):
        info = PluginInfo(f"own-{path.stem}", ORIGIN, "")
        try:
            manifest = read_manifest(path)
        except DataError as error:
            host.note(info, str(error))
            continue
        if not host.manager.has_plugin(info.name):
            host.provide(info, freeshot_datasets=[dataset_class(manifest)], freeshot_tracks=[manifest.track])
