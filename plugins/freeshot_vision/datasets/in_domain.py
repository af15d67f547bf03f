"""The four data sets on which the paper's LoRAs are tuned: base, validation and novel classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from freeshot.basics.errors import DataError
from freeshot.basics.files import read_bounded
from freeshot_vision.datasets.downloads import Download
from freeshot_vision.datasets.published_dataset import PublishedDataset

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from freeshot.data.splits import Split

SPLIT_FOLDERS = ("train", "val", "test", "meta_train", "meta_val", "meta_test")
FLOWERS = 8_189
"""Number of photographs, and of labels, in VGG Flower."""


@dataclass(frozen=True)
class MiniImageNet(PublishedDataset):
    """MiniImageNet: 100 classes of ImageNet with 600 photographs each.

    There is no official archive. Reads class folders named by WordNet id, with or without 'train', 'val' and 'test'
    above them, or one folder 'images' of files whose names begin with their id. The split comes from the shipped list,
    not from the folders.
    """

    name, domain, license = "mini-imagenet", "photographs", "ImageNet's terms: research, not commercial"
    title, count = "MiniImageNet", 100
    publisher = "https://image-net.org, its classes chosen by Vinyals et al."
    citation = "Vinyals et al., Matching networks for one shot learning, NeurIPS 2016"
    split_source = "Ravi and Larochelle, 2017"

    downloads = (Download(("images", "train", "meta_train", "n01532829"), {"mini-imagenet.zip": ""}),)

    def members(self, root: Path) -> Mapping[str, Sequence[Path]]:
        """Read class folders, or the ids in file names."""
        from freeshot.data.image_folder import classes_in, pictures_in

        folder = self.path(root)
        if folder.name != "images" or any(child.is_dir() for child in folder.iterdir()):
            return classes_in(folder) if folder.name == "images" else class_folders(folder.parent)
        members: dict[str, list[Path]] = {}
        for file in pictures_in(folder):
            members.setdefault(file.name[:9], []).append(file)
        return members


@dataclass(frozen=True)
class VggFlower(PublishedDataset):
    """VGG Flower: 102 kinds of flowers of the United Kingdom, 40 to 258 photographs each, named '001' … '102'."""

    name, domain, license = "vgg-flower", "photographs of flowers", "no formal licence"
    title, count, side = "VGG Flower", 102, 500
    publisher = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102"
    citation = "Nilsback and Zisserman, Automated flower classification over a large number of classes, ICVGIP 2008"
    split_source = "Meta-Dataset, 2020: 71, 15 and 16 classes, as many as the paper states"

    downloads = (
        Download(
            ("jpg",),
            {"102flowers.tgz": "52808999861908f626f3c1f4e79d11fa"},
            offered={"102flowers.tgz": f"{publisher}/102flowers.tgz"},
        ),
        Download(
            ("imagelabels.mat",),
            {"imagelabels.mat": "e0620be6f572b9609742df49c70aed4d"},
            plain=True,
            offered={"imagelabels.mat": f"{publisher}/imagelabels.mat"},
        ),
    )

    def members(self, root: Path) -> Mapping[str, Sequence[Path]]:
        """Match image_00001.jpg … with the labels of the Matlab file."""
        from freeshot.data.image_folder import pictures_in

        files, table = pictures_in(self.path(root)), self.path(root, 1)
        labels = _matlab_labels(table)
        if len(labels) != len(files):
            raise DataError(
                f"{table} labels {len(labels)} images, but there are {len(files)}. Download both files again."
            )
        members: dict[str, list[Path]] = {}
        for file, label in zip(files, labels, strict=True):
            members.setdefault(f"{label:03d}", []).append(file)
        return members


@dataclass(frozen=True)
class Cub(PublishedDataset):
    """Caltech-UCSD Birds 200-2011: 200 kinds of birds, about 60 photographs each.

    Of the sorted classes every even one is base; the odd ones are alternately validation and novel.
    """

    name, domain, license = "cub", "photographs of birds", "research and education, not commercial"
    title, count = "CUB-200-2011", 200
    publisher = "https://www.vision.caltech.edu/datasets/cub_200_2011"
    citation = "Wah et al., The Caltech-UCSD Birds-200-2011 dataset, CNS-TR-2011-001"
    split_source = "by position, as in LoRA Recycle: even, 1 and 3 modulo 4"

    downloads = (
        Download(
            ("CUB_200_2011/images", "images"),
            {"CUB_200_2011.tgz": "97eceeb196236b17998738112f37df78"},
            offered={"CUB_200_2011.tgz": "https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz"},
        ),
    )

    def default_counts(self) -> Mapping[str, int]:
        """Return 100, 50 and 50."""
        return {"base": 100, "validation": 50, "novel": 50}

    def default_split(self, root: Path, classes: Iterable[str]) -> Split:
        """Split the classes by index."""
        from freeshot.data.splits import Split

        names = sorted(classes)
        return Split(tuple(names[::2]), tuple(names[1::4]), tuple(names[3::4]))


def class_folders(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Read class folders, merging those of train, val and test if the folder holds nothing but such splits.

    Hidden folders and `__MACOSX`, which archives made on a Mac contain, do not count.
    """
    from freeshot.data.image_folder import classes_in

    present = {entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith((".", "__"))}
    splits = [folder / name for name in SPLIT_FOLDERS if name in present]
    if not present.issubset(SPLIT_FOLDERS):  # CIFAR-100 has a class called 'train'
        splits = []
    merged: dict[str, tuple[Path, ...]] = {}
    for part in splits or [folder]:
        for name, files in classes_in(part).items():
            merged[name] = (*merged.get(name, ()), *files)
    return merged


def _matlab_labels(table: Path) -> list[int]:
    from freeshot_vision.datasets.matlab import read_numbers

    try:
        content = read_bounded(table, 1 << 17)  # twice the uncompressed size of the labels
        return [int(label) for label in read_numbers(content, "labels", FLOWERS)]
    except (OSError, ValueError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{table} cannot be read as a table of labels ({reason}). Download it again.") from None
