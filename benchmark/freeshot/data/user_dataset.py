"""Users' own data sets: a folder of class folders or a CSV file, available like a plugin's data set and track."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from freeshot.basics.errors import DataError
from freeshot.contracts.dataset import FewShotDataset
from freeshot.data.csv_file import read_table
from freeshot.data.image_folder import classes_in, member
from freeshot.data.images import FileImages, images_of
from freeshot.data.manifest import NAME, Manifest, Spoilt, manifests
from freeshot.data.splits import require_known
from freeshot.plugin.host import PluginInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from freeshot.plugin.host import Host

ORIGIN = "your data"


@dataclass(frozen=True)
class Listed:
    """Image files by class, and the split of each if the CSV file has that column."""

    members: dict[str, tuple[Path, ...]]
    splits: tuple[tuple[str, str], ...] = ()
    """(class, split) of every line."""


@dataclass(frozen=True)
class OwnDataset(FewShotDataset):
    """A user's own images."""

    manifest: ClassVar[Manifest]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as a manifest, because the class is created at run time and cannot be imported."""
        return _made, (self.manifest,)

    def load(self, split: str, root: Path) -> FileImages:
        """Return one split: 'base', 'validation' or 'novel'."""
        manifest = self.manifest
        place = root / manifest.path
        members = list_images(place).members
        require_known(manifest.split, members, f"The split of '{self.name}'", place)
        memory = root / ".freeshot" / "hashes" / f"own-{self.name}.json"
        return images_of(members, manifest.split.of(split), memory, manifest.fit)


def list_images(path: Path) -> Listed:
    """List the images of a folder of class folders, or of a CSV file with columns path, label and optionally split."""
    if _is(path, stat.S_ISDIR):
        members = classes_in(path)
        if len(members) < 2:
            raise DataError(f"{path} must hold one folder of pictures for each class, at least two.")
        return Listed(members)
    if path.suffix.lower() != ".csv" or not _is(path, stat.S_ISREG):
        raise DataError(f"{path} is neither a folder of class folders nor a CSV file (path,label[,split]). Name one.")
    rows = read_table(path, ("path", "label"), optional=("split",))
    root = path.parent.resolve()
    found: dict[str, dict[Path, None]] = {}
    for row in rows:
        file = member(root, row["path"])
        if not _is(file, stat.S_ISREG):
            raise DataError(f"{path} names {row['path']!r}, which does not exist. Add the file or remove the line.")
        found.setdefault(row["label"], {})[file] = None
    splits = tuple((row["label"], row["split"]) for row in rows if row.get("split"))
    if splits and len(splits) < len(rows):
        raise DataError(f"{path} names a split in {len(splits)} of {len(rows)} lines. Give it in all or in none.")
    return Listed({label: tuple(files) for label, files in sorted(found.items())}, splits)


def _is(path: Path, sort: Callable[[int], bool]) -> bool:
    """Return whether a path exists with this file type; False for invalid names."""
    try:
        return sort(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def require_name(name: str) -> None:
    """Require a valid data set name."""
    if not re.fullmatch(NAME, name):
        raise DataError(f"'{name}' cannot be a data set's name. Use lower-case letters, digits and hyphens.")


@cache
def dataset_class(manifest: Manifest) -> type[OwnDataset]:
    """Create the component class for a manifest."""
    facts: dict[str, Any] = {
        "__doc__": f"Your own images from {manifest.path}.",
        "__module__": __name__,
        "name": manifest.name,
        "domain": manifest.domain,
        "license": manifest.license,
        "manifest": manifest,
    }
    made: type[OwnDataset] = dataclass(frozen=True)(type("OwnImages", (OwnDataset,), facts))
    return made


def _made(manifest: Manifest) -> OwnDataset:
    return dataset_class(manifest)()


def offer_own(host: Host, data: Path) -> None:
    """Register the data sets and tracks of a data folder; an invalid manifest is recorded and only skips itself."""
    for manifest in manifests(data):
        info = PluginInfo(f"own-{manifest.name}", ORIGIN, "")
        if isinstance(manifest, Spoilt):
            host.note(info, manifest.reason)
        elif not host.manager.has_plugin(info.name):
            host.provide(info, freeshot_datasets=[dataset_class(manifest)], freeshot_tracks=[manifest.track])
