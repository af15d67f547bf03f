"""Remove a user's own data set from the data folder; the images stay."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from freeshot.basics.errors import DataError, StoreError
from freeshot.basics.suggestions import unknown_name
from freeshot.data.user_dataset import FOLDER, hashes_path, manifest_path, require_name
from freeshot.evaluation.episode_lock import notes_folder
from freeshot.plugin.catalogue import Catalogue


@dataclass(frozen=True)
class Removal:
    """What is deleted with a data set: its manifest, cached hashes of its images, and hashes of its episodes."""

    manifest: Path
    hashes: Path
    episodes: Path

    def carry_out(self) -> None:
        """Delete them, the manifest last; StoreError if one cannot be deleted."""
        try:
            self.hashes.unlink(missing_ok=True)
            if self.episodes.exists():
                shutil.rmtree(self.episodes)
            self.manifest.unlink()
        except OSError as error:
            raise StoreError(
                f"{error.filename} cannot be deleted ({error.strerror}). Change its permissions, or delete it yourself."
            ) from None


def plan_removal(name: str, data: Path, catalogue: Catalogue) -> Removal:
    """Return what would be deleted; DataError for a plugin's data set, UnknownNameError for no data set.

    A data set whose manifest is damaged can be removed, too.
    """
    own = {path.stem for path in manifest_path(data, "*").parent.glob("*.json")}
    if name in own:
        require_name(name)
        return Removal(manifest_path(data, name), hashes_path(data, name), notes_folder(data) / FOLDER / name)
    if name in catalogue.names("dataset"):
        raise DataError(
            f"'{name}' is a data set of {catalogue.origin('dataset', name)}, not one that you added. To free disk "
            f"space, delete its images in {data}."
        )
    raise unknown_name(f"data set of yours in {data}", name, own)
