"""Tiny made-up trees in the layout of each publisher: a few pictures of a few pixels for every class."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from freeshot_vision.datasets.cifar_fs import RECORD
from freeshot_vision.datasets.cross_domain import CHEST, SKIN
from freeshot_vision.datasets.published_dataset import shipped_split

LAND = ["AnnualCrop", "Forest", "HerbaceousVegetation", "Highway", "Industrial", "Pasture", "PermanentCrop"]
LAND += ["Residential", "River", "SeaLake"]


SMALL = (9, 7)
"""Width and height of made-up pictures."""


def paint(path: Path, size: tuple[int, int] = SMALL) -> None:
    """Write noise that depends only on the file's name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(zlib.crc32("/".join(path.parts[-3:]).encode()))
    Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), dtype=np.uint8)).save(path)


def folders(root: Path, classes: Iterable[str], each: int = 2, suffix: str = ".png") -> None:
    for name in classes:
        for number in range(each):
            paint(root / name / f"{number}{suffix}")


def listed(name: str) -> tuple[str, ...]:
    split = shipped_split(name)
    assert split is not None
    return split.classes


def cifar_fs(root: Path, each: int = 2) -> None:
    (root / "cifar-100-binary").mkdir(parents=True)
    names = sorted(listed("cifar-fs"))
    (root / "cifar-100-binary" / "fine_label_names.txt").write_text("\n".join(names) + "\n")
    for part, count in (("train", each), ("test", 1)):
        records = np.random.default_rng(count).integers(0, 256, (count * 100, RECORD), dtype=np.uint8)
        records[:, 1] = np.tile(np.arange(100), count)
        records.tofile(root / "cifar-100-binary" / f"{part}.bin")


def mini_imagenet(root: Path, each: int = 2) -> None:
    for name in listed("mini-imagenet"):
        for number in range(each):
            paint(root / "images" / f"{name}{number:08d}.jpg")


def vgg_flower(root: Path, each: int = 2, first: tuple[int, int] = (591, 500)) -> None:
    for number in range(102 * each):
        paint(root / "jpg" / f"image_{number + 1:05d}.jpg", SMALL if number else first)
    savemat(root / "imagelabels.mat", {"labels": (np.arange(102 * each) % 102 + 1)[None]})


def cub(root: Path, each: int = 2) -> None:
    folders(root / "CUB_200_2011" / "images", (f"{n + 1:03d}.Bird_{n}" for n in range(200)), each, ".jpg")


def chestx(root: Path, each: int = 2) -> None:
    findings = [*CHEST * each, "No Finding", "Pneumonia", "Mass|Nodule"]
    for number in range(len(findings)):
        paint(root / f"images_{1 + number % 12:03d}" / "images" / f"{number:08d}_000.png")
    for folder in sorted(root.glob("images_*")):
        shutil.make_archive(str(folder), "gztar", folder)
        shutil.rmtree(folder)
    rows = [f"{number:08d}_000.png,{finding},0" for number, finding in enumerate(findings)]
    (root / "Data_Entry_2017.csv").write_text("Image Index,Finding Labels,Follow-up #\n" + "\n".join(rows) + "\n")


def isic(root: Path, each: int = 2, first: tuple[int, int] = (600, 450)) -> None:
    stem = "ISIC2018_Task3_Training"
    rows = []
    for number in range(7 * each):
        paint(root / f"{stem}_Input" / f"ISIC_{number:07d}.jpg", SMALL if number else first)
        marks = ",".join("1.0" if index == number % 7 else "0.0" for index in range(7))
        rows.append(f"ISIC_{number:07d},{marks}")
    (root / f"{stem}_GroundTruth").mkdir()
    table = root / f"{stem}_GroundTruth" / f"{stem}_GroundTruth.csv"
    table.write_text(f"image,{','.join(SKIN)}\n" + "\n".join(rows) + "\n")


def isic_300(root: Path, each: int = 2) -> None:
    """Write two pictures of every lesion, so that half of them are read."""
    isic(root, 2 * each, (200, 150))
    rows = [f"ISIC_{number:07d},HAM_{number % 7}_{number // 14}" for number in range(14 * each)]
    (root / "lesion_ids.csv").write_text("\n".join(["image,lesion_id", *rows]) + "\n")


def eurosat(root: Path, each: int = 2) -> None:
    folders(root / "EuroSAT_RGB", LAND, each, ".jpg")


def crop_diseases(root: Path, each: int = 2) -> None:
    folders(root / "raw" / "color", (f"Crop_{n}___ill" for n in range(38)), each, ".JPG")


def dtd(root: Path, each: int = 2) -> None:
    folders(root / "dtd" / "images", listed("dtd"), each, ".jpg")


def omniglot(root: Path) -> None:
    for part, alphabets, letters in (("background", 30, 964), ("evaluation", 20, 659)):
        for letter in range(letters):
            alphabet = f"{part}-{letter % alphabets}"
            paint(
                root / f"images_{part}" / alphabet / f"character{letter // alphabets + 1:02d}" / "0001_01.png", (3, 3)
            )


def quick_draw(root: Path, each: int = 2) -> None:
    (root / "numpy_bitmap").mkdir(parents=True)
    for name in listed("quick-draw"):
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        np.save(root / "numpy_bitmap" / f"{name}.npy", rng.integers(0, 256, (each + 1, 28 * 28), dtype=np.uint8))


def aircraft(root: Path) -> None:
    data = root / "fgvc-aircraft-2013b" / "data"
    for part, start in (("trainval", 0), ("test", 100)):
        lines = [f"{start + index:07d} {name}" for index, name in enumerate(listed("aircraft"))]
        for line in lines:
            paint(data / "images" / f"{line[:7]}.jpg")
        (data / f"images_variant_{part}.txt").write_text("\n".join(lines) + "\n")


def traffic_signs(root: Path) -> None:
    images = root / "GTSRB" / "Final_Training" / "Images"
    folders(images, (f"{n:05d}" for n in range(43)), suffix=".ppm")
    (images / "00000" / "GT-00000.csv").write_text("Filename;Width\n")


PUBLISHERS: dict[str, Callable[..., None]] = {
    "cifar-fs": cifar_fs,
    "mini-imagenet": mini_imagenet,
    "vgg-flower": vgg_flower,
    "cub": cub,
    "chestx": chestx,
    "isic": isic,
    "eurosat": eurosat,
    "crop-diseases": crop_diseases,
    "dtd": dtd,
    "omniglot": omniglot,
    "quick-draw": quick_draw,
    "aircraft": aircraft,
    "traffic-signs": traffic_signs,
    "mini-imagenet-60": mini_imagenet,
    "vgg-flower-64": partial(vgg_flower, first=(64, 64)),
    "eurosat-500": eurosat,
    "isic-300": isic_300,
}
