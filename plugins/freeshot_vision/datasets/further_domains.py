"""Further domains: textures, handwritten letters, aeroplanes, traffic signs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from freeshot.basics.errors import DataError
from freeshot_vision.datasets.downloads import Download
from freeshot_vision.datasets.published_dataset import PublishedDataset

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from freeshot.data.splits import Split


@dataclass(frozen=True)
class Dtd(PublishedDataset):
    """Describable Textures: 47 texture attributes, 120 images each."""

    name, domain, license = "dtd", "textures", "research"
    title, count = "DTD", 47
    publisher = "https://www.robots.ox.ac.uk/~vgg/data/dtd"
    citation = "Cimpoi et al., Describing textures in the wild, CVPR 2014"
    split_source = "Meta-Dataset, 2020"

    downloads = (
        Download(
            ("dtd/images", "images"),
            {"dtd-r1.0.1.tar.gz": "fff73e5086ae6bdbea199a49dfb8a4c1"},
            offered={"dtd-r1.0.1.tar.gz": f"{publisher}/download/dtd-r1.0.1.tar.gz"},
        ),
    )


def _letters_of(part: str, md5: str) -> Download:
    address = f"https://raw.githubusercontent.com/brendenlake/omniglot/master/python/{part}.zip"
    return Download((part,), {f"{part}.zip": md5}, offered={f"{part}.zip": address})


@dataclass(frozen=True)
class Omniglot(PublishedDataset):
    """Omniglot: 1,623 letters of 50 alphabets, each drawn by 20 people.

    The letters of the thirty background alphabets are base, those of the twenty evaluation alphabets novel; there is no
    validation split. Letters are not rotated into further classes.
    """

    name, domain, license = "omniglot", "handwriting", "MIT"
    title, count = "Omniglot", 1623
    publisher = "https://github.com/brendenlake/omniglot"
    citation = "Lake et al., Human-level concept learning through probabilistic program induction, Science 2015"
    split_source = "its authors' background and evaluation alphabets"

    downloads = (
        _letters_of("images_background", "68d2efa1b9178cc56df9314c21c6e718"),
        _letters_of("images_evaluation", "6b91aef0f799c5bb55b94e3f2daec811"),
    )

    def members(self, root: Path) -> Mapping[str, Sequence[Path]]:
        """Name each letter 'alphabet/character'."""
        return {**_letters(self.path(root)), **_letters(self.path(root, 1))}

    def default_counts(self) -> Mapping[str, int]:
        """Return 964 and 659."""
        return {"base": 964, "novel": 659}

    def default_split(self, root: Path, classes: Iterable[str]) -> Split:
        """Return the authors' two halves."""
        from freeshot.data.splits import Split

        return Split(base=tuple(_letters(self.path(root))), novel=tuple(_letters(self.path(root, 1))))


@dataclass(frozen=True)
class Aircraft(PublishedDataset):
    """FGVC-Aircraft: 100 variants of aeroplanes, 100 photographs each.

    The copyright line at the bottom is not cropped.
    """

    name, domain, license = "aircraft", "photographs of aeroplanes", "research, not commercial"
    title, count = "FGVC-Aircraft", 100
    publisher = "https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft"
    citation = "Maji et al., Fine-grained visual classification of aircraft, 2013"
    split_source = "Meta-Dataset, 2020"

    downloads = (
        Download(
            ("fgvc-aircraft-2013b/data", "data"),
            {"fgvc-aircraft-2013b.tar.gz": ""},
            offered={"fgvc-aircraft-2013b.tar.gz": f"{publisher}/archives/fgvc-aircraft-2013b.tar.gz"},
        ),
    )

    def members(self, root: Path) -> Mapping[str, Sequence[Path]]:
        """Read the lists of variants, lines like '1025794 707-320'."""
        from freeshot.data.csv_file import read_text
        from freeshot.data.image_folder import member

        folder = self.path(root)
        images = folder / "images"
        members: dict[str, list[Path]] = {}
        for part in ("trainval", "test"):
            table = folder / f"images_variant_{part}.txt"
            for line in read_text(table).splitlines():
                number, _, variant = line.partition(" ")
                file = member(images, f"{number}.jpg")
                if not variant or not file.is_file():
                    raise DataError(f"{table} names {number!r}, which is not in {images}. Unpack it again.")
                members.setdefault(variant.strip(), []).append(file)
        return members


@dataclass(frozen=True)
class TrafficSigns(PublishedDataset):
    """German traffic signs (GTSRB): 43 kinds; thirty consecutive images show one sign as a car approaches.

    Support and query of a task can therefore show the same sign, which raises accuracies.
    """

    name, domain, license = "traffic-signs", "photographs of traffic signs", "free to use; its authors ask to be cited"
    title, count = "GTSRB", 43
    publisher = "https://benchmark.ini.rub.de/gtsrb_dataset.html"
    citation = "Houben et al., Detection of traffic signs in real-world images, IJCNN 2013"

    downloads = (
        Download(
            ("GTSRB/Final_Training/Images", "GTSRB/Training", "Final_Training/Images"),
            {
                "GTSRB_Final_Training_Images.zip": "",
                "GTSRB-Training_fixed.zip": "513f3c79a4c5141765e10e952eaa2478",
            },
            offered={
                "GTSRB-Training_fixed.zip": "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/"
                "GTSRB-Training_fixed.zip"
            },
        ),
    )


def _letters(folder: Path) -> dict[str, tuple[Path, ...]]:
    from freeshot.data.image_folder import classes_in

    alphabets = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return {f"{alphabet.name}/{name}": files for alphabet in alphabets for name, files in classes_in(alphabet).items()}
