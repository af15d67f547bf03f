"""Cross-domain data sets: X-rays, skin, satellite images, leaves. All of their classes are novel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from freeshot.basics.errors import DataError
from freeshot_vision.datasets.downloads import Download
from freeshot_vision.datasets.published_dataset import PublishedDataset

CHEST = ("Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumothorax")
"""ChestX-ray8's findings without 'Pneumonia', as in LoRA Recycle."""
CHEST_TABLES = ("Data_Entry_2017.csv", "Data_Entry_2017_v2020.csv")
SKIN = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
LEAF_FOLDERS = (
    *("raw/color", "PlantVillage-Dataset-master/raw/color", "plantvillage dataset/color"),
    *("dataset/train", "color", "train"),
)
"""Where the common copies of PlantVillage keep the colour images."""


@dataclass(frozen=True)
class ChestX(PublishedDataset):
    """ChestX: seven findings in chest X-rays of the NIH; only images with a single finding."""

    name, domain, license = "chestx", "X-rays", "free to use; name the NIH Clinical Center"
    title, count = "ChestX-ray8", 7
    publisher = "https://nihcc.app.box.com/v/ChestXray-NIHCC"
    citation = "Wang et al., ChestX-ray8, CVPR 2017"

    downloads = (
        Download(("images",), {f"images_{number:03d}.tar.gz": "" for number in range(1, 13)}),
        Download(CHEST_TABLES, dict.fromkeys(CHEST_TABLES, ""), plain=True),
    )

    def members(self, root: Path) -> Mapping[str, Sequence[Path]]:
        """Select the images whose single finding is among the seven."""
        from freeshot.data.csv_file import read_table

        table = self.path(root, 1)
        rows = read_table(table, ("Image Index", "Finding Labels"))
        pairs = ((row["Finding Labels"], row["Image Index"]) for row in rows if row["Finding Labels"] in CHEST)
        return _files_by_label(pairs, self.paths(root), table)


@dataclass(frozen=True)
class Isic(PublishedDataset):
    """ISIC 2018, task 3: seven kinds of skin lesions (the images of HAM10000)."""

    name, domain, license = "isic", "photographs of skin", "CC-BY-NC-4.0"
    title, count, side = "ISIC 2018 task 3", 7, 450
    publisher = "https://challenge.isic-archive.com/data/#2018"
    citation = "Codella et al., Skin lesion analysis toward melanoma detection 2018; Tschandl et al., HAM10000, 2018"

    downloads = tuple(
        Download(
            (name,),
            {f"{name}.zip": ""},
            offered={f"{name}.zip": f"https://isic-challenge-data.s3.amazonaws.com/2018/{name}.zip"},
        )
        for name in ("ISIC2018_Task3_Training_Input", "ISIC2018_Task3_Training_GroundTruth")
    )

    def members(self, root: Path) -> Mapping[str, Sequence[Path]]:
        """Read the column that is 1 in the ground truth."""
        from freeshot.data.csv_file import read_table

        table = self.path(root, 1) / "ISIC2018_Task3_Training_GroundTruth.csv"
        rows = read_table(table, ("image", *SKIN))
        pairs = ((_diagnosis(row, table), f"{row['image']}.jpg") for row in rows)
        return _files_by_label(pairs, self.paths(root), table)


@dataclass(frozen=True)
class EuroSat(PublishedDataset):
    """EuroSAT: ten kinds of land use in Sentinel-2 images, 64 px, the RGB version."""

    name, domain, license = "eurosat", "satellite images", "MIT"
    title, count = "EuroSAT", 10
    publisher = "https://github.com/phelber/EuroSAT"
    citation = "Helber et al., EuroSAT, IEEE J-STARS 2019"

    downloads = (
        Download(
            ("EuroSAT_RGB", "2750"),
            {"EuroSAT_RGB.zip": "", "EuroSAT.zip": "c8fa014336c82ac7804f0398fcb19387"},
            offered={
                "EuroSAT.zip": "https://huggingface.co/datasets/torchgeo/eurosat/resolve/"
                "c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip"
            },
        ),
    )


@dataclass(frozen=True)
class CropDiseases(PublishedDataset):
    """CropDiseases: 38 pairs of crop and disease, single leaves of PlantVillage in colour."""

    name, domain, license = "crop-diseases", "photographs of leaves", "CC-BY-SA-3.0 or as your copy states"
    title, count = "PlantVillage", 38
    publisher = "https://github.com/spMohanty/PlantVillage-Dataset"
    citation = "Mohanty et al., Using deep learning for image-based plant disease detection, 2016"

    downloads = (
        Download(
            LEAF_FOLDERS,
            {"PlantVillage-Dataset-master.zip": ""},
            offered={"PlantVillage-Dataset-master.zip": f"{publisher}/archive/refs/heads/master.zip"},
        ),
    )


def _files_by_label(pairs: Iterable[tuple[str, str]], folders: Sequence[Path], table: Path) -> dict[str, list[Path]]:
    """Map the labels of (label, file name) pairs from a table to their files, which lie in one of several folders."""
    from freeshot.data.image_folder import pictures_in

    present = {file.name: file for folder in folders for file in pictures_in(folder)}
    files: dict[str, list[Path]] = {}
    for label, name in pairs:
        if name not in present:
            raise DataError(
                f"{table.name} names {name!r}, which is not in {folders[0].parent}. An archive is missing; unpack "
                "all of them."
            )
        files.setdefault(label, []).append(present[name])
    return files


def _diagnosis(row: Mapping[str, str], table: Path) -> str:
    marked = [name for name in SKIN if row[name] in ("1", "1.0")]
    if len(marked) != 1:
        raise DataError(f"{table} gives '{row['image']}' {len(marked)} diagnoses, not one. Download it again.")
    return marked[0]
