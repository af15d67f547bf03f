"""The manifest of a user's own data set: one JSON file, `own/NAME.json` in the data folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from freeshot.basics.errors import DataError
from freeshot.basics.files import write_text
from freeshot.contracts.tracks import Track
from freeshot.data.csv_file import read_text
from freeshot.data.splits import Split, checked

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = "own"
LARGEST = 16 * 2**20
NAME = r"[a-z0-9][a-z0-9-]*"


class Parts(BaseModel):
    """Class names of each split."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    novel: tuple[str, ...] = ()


class Question(BaseModel):
    """The settings of the data set's track."""

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
    splits: Parts
    split_from: str = ""
    """Origin of the split, as text."""
    question: Question

    @property
    def split(self) -> Split:
        """The validated split."""
        return checked(Split(**self.splits.model_dump()), f"The manifest of '{self.name}'")

    @property
    def track(self) -> Track:
        """The track 'own/NAME/5w1s'."""
        asked = self.question
        return Track(name=f"own/{self.name}/{asked.way}w{asked.shot}s", dataset=self.name, **asked.model_dump())


@dataclass(frozen=True)
class Spoilt:
    """A manifest that cannot be read, and why."""

    name: str
    reason: str


def manifest_path(data: Path, name: str) -> Path:
    """Return the path of a data set's manifest."""
    return data / FOLDER / f"{name}.json"


def write_manifest(data: Path, manifest: Manifest) -> Path:
    """Write a manifest into the data folder."""
    path = manifest_path(data, manifest.name)
    write_text(path, manifest.model_dump_json(indent=1) + "\n")
    return path


def manifests(data: Path) -> Iterator[Manifest | Spoilt]:
    """Read the manifests of a data folder, by name."""
    for path in sorted((data / FOLDER).glob("*.json")):
        try:
            yield _read(path)
        except DataError as error:
            yield Spoilt(path.stem, str(error))


def _read(path: Path) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(read_text(path, LARGEST))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(
            f"{path} is not a valid data set manifest ({where}: {first['msg']}). Add the data set again."
        ) from None
    if manifest.name != path.stem:
        raise DataError(f"{path} describes the data set '{manifest.name}'. Rename the file or add the data set again.")
    _ = manifest.split  # raises DataError if the split is invalid
    return manifest
