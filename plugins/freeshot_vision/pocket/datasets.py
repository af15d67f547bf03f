"""The pocket suite's data sets: one sheet and one card each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from freeshot import Example, FewShotDataset
from freeshot.basics.errors import DataError
from freeshot_vision.pocket import DATA, EXAMPLES

if TYPE_CHECKING:
    from freeshot_vision.sheets import SheetImages


@dataclass(frozen=True)
class ShippedSheet(FewShotDataset):
    """A data set shipped in the package as a sheet of the same name."""

    shareable = True

    def load(self, split: str, root: Path) -> SheetImages:
        """Return one split; the user's data folder is not used."""
        from freeshot_vision.sheets import open_sheet  # loads pydantic, which `freeshot list` does not need

        return open_sheet(DATA, self.name, split)

    def example(self) -> Example | None:
        """Return the shipped example; PNG's own text field holds the classes."""
        from PIL import Image

        path = EXAMPLES / f"{self.name}.png"
        with Image.open(path, formats=("PNG",)) as picture:
            classes = tuple(json.loads(picture.info["classes"]))
        return Example(classes, path.read_bytes())


@dataclass(frozen=True)
class Sketch(ShippedSheet):
    """Quick, Draw!: 345 classes of doodles with 100 drawings each, drawn by people in 20 seconds."""

    name, domain, license = "sketch", "drawings", "CC-BY-4.0"


@dataclass(frozen=True)
class Icons(ShippedSheet):
    """Icon concepts: one concept per class, each drawing from a different permissively licensed icon set."""

    name, domain, license = "icons", "icons", "permissive, per icon set"


@dataclass(frozen=True)
class Fashion(ShippedSheet):
    """Fashion-MNIST: ten kinds of clothes, photographed, grey on black."""

    name, domain, license = "fashion", "photographs of clothes", "MIT"


@dataclass(frozen=True)
class Clipart(ShippedSheet):
    """Open Clip Art: 33 hand-chosen kinds of things in colour."""

    name, domain, license = "clipart", "clip art", "public domain"


@dataclass(frozen=True)
class Glyphs(ShippedSheet):
    """Thai letters in forty open typefaces; the rest of the suite contains no Thai."""

    name, domain, license = "glyphs", "letters", "OFL-1.1"


@dataclass(frozen=True)
class Digits(ShippedSheet):
    """Handwritten digits of the UCI optical recognition set, enlarged from 8 px."""

    name, domain, license = "digits", "handwriting", "CC-BY-4.0"


@dataclass(frozen=True)
class Photos(FewShotDataset):
    """CIFAR-10 test photographs; not shipped, because CIFAR-10 has no formal licence, but built by a script."""

    name, domain, license = "photos", "photographs", "no formal licence"

    def load(self, split: str, root: Path) -> SheetImages:
        """Return one split from `<root>/photos`."""
        from freeshot_vision.sheets import open_sheet

        folder = root / "photos"
        if not (folder / "photos.webp").exists():
            raise DataError(
                f"The sheet of 'photos' was not found in {folder}. Build it there, in a checkout of FreeShot: "
                f"PYTHONPATH=plugins python -m makers.pocket_data photos --work {root / 'work'} --out {folder}"
            )

        return open_sheet(folder, self.name, split)


DATASETS: list[type[FewShotDataset]] = [Sketch, Icons, Fashion, Clipart, Glyphs, Digits, Photos]
