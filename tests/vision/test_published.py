"""Every published data set is read from a tiny tree in its publisher's layout."""

from __future__ import annotations

import io
import os
import shutil
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat
from tests.vision.publishers import LAND, PUBLISHERS, cifar_fs, folders, listed, paint, quick_draw

from freeshot.basics.errors import DataError, OptionError
from freeshot.data.splits import NAMES
from freeshot.testing import check
from freeshot_vision.datasets import DATASETS, published_dataset
from freeshot_vision.datasets.cifar_fs import CifarFs
from freeshot_vision.datasets.cross_domain import ChestX, EuroSat, Isic
from freeshot_vision.datasets.further_domains import Aircraft, Dtd
from freeshot_vision.datasets.in_domain import Cub, MiniImageNet, VggFlower
from freeshot_vision.datasets.published_dataset import PublishedDataset, shipped_split
from freeshot_vision.datasets.quick_draw import QuickDraw
from freeshot_vision.datasets.reduced_copies import EuroSat500, Isic300, VggFlower64

if TYPE_CHECKING:
    from numpy.typing import NDArray

each_dataset = pytest.mark.parametrize("cls", DATASETS, ids=lambda cls: cls.name)


def packed(labels: NDArray[Any], name: str = "labels") -> bytes:
    file = io.BytesIO()
    savemat(file, {name: labels}, do_compression=True)
    return file.getvalue()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for name, build in PUBLISHERS.items():
        (root / name).mkdir()
        build(root / name)
    return root


@pytest.mark.parametrize("cls", [cls for cls in DATASETS if cls.count < 1000], ids=lambda cls: cls.name)
def test_a_data_set_passes_every_rule_of_the_contract(cls: type[PublishedDataset], data: Path) -> None:
    check(cls, data=data)


@each_dataset
def test_the_splits_of_a_data_set_have_the_stated_sizes(cls: type[PublishedDataset], data: Path) -> None:
    dataset = cls()
    actual = {}
    for split in NAMES:
        if dataset.class_counts().get(split):
            actual[split] = len(dataset.load(split, data).classes)
    assert actual == {split: count for split, count in dataset.class_counts().items() if count}
    assert sum(actual.values()) == cls.count


@each_dataset
def test_for_missing_files_the_files_and_their_folder_are_named(cls: type[PublishedDataset], tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        cls().load("novel", tmp_path)
    message = str(caught.value)
    assert f"was not found in {tmp_path / cls.name}. Put " in message
    assert cls.publisher in message
    assert not cls().is_available(tmp_path)


@each_dataset
def test_a_data_set_is_available_and_states_licence_domain_and_source(cls: type[PublishedDataset], data: Path) -> None:
    assert cls().is_available(data)
    assert cls.license
    assert cls.domain
    assert cls.citation
    assert cls.title


@each_dataset
def test_images_are_returned_at_the_requested_side_without_a_change_of_the_hash(
    cls: type[PublishedDataset], data: Path
) -> None:
    images = cls().load("novel", data)
    small = images.at(8)  # type: ignore[attr-defined]
    assert images.read([0]).shape == (1, 3, 224, 224)
    assert small.read([1, 0]).shape == (2, 3, 8, 8)
    assert small.sha256 == images.sha256


def test_a_data_set_of_novel_classes_has_no_base_split(data: Path) -> None:
    with pytest.raises(DataError, match=r"'eurosat' has no base classes: its split has only novel ones\."):
        EuroSat().load("base", data)


def test_an_archive_is_read_like_its_folder(data: Path, tmp_path: Path) -> None:
    (tmp_path / "eurosat").mkdir()
    shutil.make_archive(str(tmp_path / "eurosat" / "EuroSAT_RGB"), "zip", data / "eurosat")
    images = EuroSat().load("novel", tmp_path)
    assert images.sha256 == EuroSat().load("novel", data).sha256


def test_an_archive_that_holds_something_else_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "dtd").mkdir()
    shutil.make_archive(str(tmp_path / "dtd" / "dtd-r1.0.1"), "gztar", data / "eurosat")
    with pytest.raises(DataError, match=r"dtd-r1\.0\.1\.tar\.gz has no 'dtd/images'\."):
        Dtd().load("novel", tmp_path)


def test_a_published_checksum_is_compared(data: Path, tmp_path: Path) -> None:
    (tmp_path / "dtd").mkdir()
    shutil.make_archive(str(tmp_path / "dtd" / "dtd-r1.0.1"), "gztar", data / "dtd")
    (message,) = Dtd().verify(tmp_path)
    assert message.startswith("dtd-r1.0.1.tar.gz does not have its publisher's MD5 (")
    assert "expected fff73e5086ae6bdbea199a49dfb8a4c1" in message


def test_a_copy_without_a_class_is_refused(tmp_path: Path) -> None:
    folders(tmp_path / "eurosat" / "EuroSAT_RGB", ("Forest", "River"))
    with pytest.raises(DataError, match=r"EuroSAT has 10 classes, but 2 were found\."):
        EuroSat().load("novel", tmp_path)


def test_a_copy_with_a_class_of_another_name_is_refused(tmp_path: Path) -> None:
    folders(tmp_path / "dtd" / "dtd" / "images", [*listed("dtd")[:-1], "fluffy"])
    with pytest.raises(DataError, match=r"names the class '\w+', but .* has no image of it"):
        Dtd().load("novel", tmp_path)


def test_a_split_file_replaces_the_shipped_split(data: Path) -> None:
    (data / "mine.csv").write_text("label,split\nForest,base\nRiver,novel\nHighway,novel\n")
    dataset = EuroSat(split_file="mine.csv")
    assert dataset.load("base", data).classes == ("Forest",)
    assert dataset.load("novel", data).classes == ("Highway", "River")


def test_a_changed_shipped_split_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(published_dataset.SPLITS, tmp_path / "splits")
    path = tmp_path / "splits" / "dtd.json"
    path.write_text(path.read_text().replace("banded", "bandit"))
    monkeypatch.setattr(published_dataset, "SPLITS", tmp_path / "splits")
    with pytest.raises(DataError, match=r"The split list .*dtd\.json has been changed\."):
        shipped_split.__wrapped__("dtd")


def test_birds_are_split_by_position(data: Path) -> None:
    base, validation, novel = (Cub().load(split, data).classes for split in NAMES)
    assert base[:2] == ("001.Bird_0", "003.Bird_2")
    assert validation[:2] == ("002.Bird_1", "006.Bird_5")
    assert novel[:2] == ("004.Bird_3", "008.Bird_7")


def test_both_files_of_cifar_are_read(data: Path) -> None:
    images = CifarFs().load("novel", data)
    assert np.bincount(images.labels).tolist() == [3] * 20


def records_of(root: Path, label: int) -> NDArray[np.uint8]:
    folder = root / "cifar-fs" / "cifar-100-binary"
    records = np.concatenate([np.fromfile(folder / f"{part}.bin", np.uint8) for part in ("train", "test")])
    records = records.reshape(-1, 3074)
    return records[records[:, 1] == label, 2:].reshape(-1, 3, 32, 32)


def test_the_images_of_cifar_equal_their_bytes(tmp_path: Path) -> None:
    cifar_fs(tmp_path / "cifar-fs")
    images = CifarFs().load("novel", tmp_path).at(32)
    written = records_of(tmp_path, sorted(listed("cifar-fs")).index(images.classes[0]))
    read = images.read([0, 1, 2]).numpy()
    assert sorted(image.tobytes() for image in read) == sorted(image.tobytes() for image in written)


@pytest.mark.parametrize("layout", ["meta_{}/{}", "cifar100/data/{1}", "data/{1}", "{1}"])
def test_every_copy_of_cifar_is_the_same_data_set(layout: str, tmp_path: Path) -> None:
    cifar_fs(tmp_path / "binary" / "cifar-fs")
    for label, name in enumerate(sorted(listed("cifar-fs"))):
        folder = tmp_path / "files" / "cifar-fs" / layout.format(("train", "val", "test")[label % 3], name)
        folder.mkdir(parents=True)
        for number, pixels in enumerate(records_of(tmp_path / "binary", label)):
            Image.fromarray(pixels.transpose(1, 2, 0)).save(folder / f"{-number}.webp", lossless=True)
    binary, files = (CifarFs().load("novel", tmp_path / copy) for copy in ("binary", "files"))
    assert files.sha256 == binary.sha256
    assert torch.equal(files.at(32).read(range(60)), binary.at(32).read(range(60)))
    assert [file.parent.name for file in files.files] == [files.classes[label] for label in files.labels]


def test_fewer_images_of_cifar_are_the_first_images(data: Path) -> None:
    all_images, two = CifarFs().load("novel", data), CifarFs(per_class=2).load("novel", data)
    assert np.bincount(two.labels).tolist() == [2] * 20
    assert torch.equal(two.at(32).read([2, 3]), all_images.at(32).read([3, 4]))
    with pytest.raises(OptionError, match="'per_class' of 'cifar-fs' must not be negative, but is -1"):
        CifarFs(per_class=-1)


def test_the_resizing_of_cifar_is_part_of_its_hash(data: Path) -> None:
    squeezed, cut = CifarFs().load("novel", data), CifarFs(fit="centre").load("novel", data)
    assert squeezed.sha256 != cut.sha256
    assert not torch.equal(squeezed.read([0]), cut.read([0]))


@pytest.mark.parametrize(
    ("cls", "size"), [(VggFlower, "64 × 64"), (VggFlower64, "591 × 500"), (Isic, "200 × 150"), (Isic300, "600 × 450")]
)
def test_a_copy_of_another_size_is_refused(cls: type[PublishedDataset], size: str, data: Path, tmp_path: Path) -> None:
    other = {VggFlower: VggFlower64, VggFlower64: VggFlower, Isic: Isic300, Isic300: Isic}[cls]
    shutil.copytree(data / other.name, tmp_path / cls.name)
    if cls is Isic300:
        shutil.copy(data / "isic-300" / "lesion_ids.csv", tmp_path / cls.name)
    with pytest.raises(DataError, match=f"has {size} pixels, but the shorter side of all images of '{cls.name}' has"):
        cls().load("novel", tmp_path)


def test_a_subset_of_satellite_images_is_drawn_from_the_publishers_by_name(tmp_path: Path) -> None:
    names = [f"River_{number}.jpg" for number in range(1, 511)]
    for label in LAND:
        folder = tmp_path / "eurosat-500" / "EuroSAT_RGB" / label
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).touch()
    members = EuroSat500().members(tmp_path)
    assert {len(files) for files in members.values()} == {500}
    drawn = {file.name for file in members["River"]}
    assert drawn == set(Random(0).sample(sorted(names), 500))
    for name in set(names) - drawn:
        (tmp_path / "eurosat-500" / "EuroSAT_RGB" / "River" / name).unlink()
    assert EuroSat500().members(tmp_path)["River"] == members["River"]


def test_one_picture_of_each_lesion_is_read(data: Path, tmp_path: Path) -> None:
    images = Isic300().load("novel", data)
    lesions = dict(line.split(",") for line in (data / "isic-300" / "lesion_ids.csv").read_text().split())
    read = [lesions[file.stem] for file in images.files]  # type: ignore[attr-defined]
    assert sorted(read) == sorted(set(lesions.values()) - {"lesion_id"})
    shutil.copytree(data / "isic-300", tmp_path / "isic-300")
    (tmp_path / "isic-300" / "lesion_ids.csv").write_text("image,lesion_id\nISIC_9,HAM_9\n")
    with pytest.raises(DataError, match=r"lesion_ids\.csv has no lesion of 'ISIC_\d+'\."):
        Isic300().load("novel", tmp_path)


def test_a_cut_file_of_cifar_is_refused(tmp_path: Path) -> None:
    cifar_fs(tmp_path / "cifar-fs")
    file = tmp_path / "cifar-fs" / "cifar-100-binary" / "test.bin"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"test\.bin has \d+ bytes, not a multiple of 3074\."):
        CifarFs().load("novel", tmp_path)
    file.unlink()
    with pytest.raises(DataError, match=r"test\.bin cannot be read"):
        CifarFs().load("novel", tmp_path)


@pytest.mark.parametrize(("name", "most"), [("train.bin", 153_700_000), ("test.bin", 30_740_000)])
def test_a_file_of_cifar_that_is_larger_than_its_publishers_is_refused_unread(
    tmp_path: Path, name: str, most: int
) -> None:
    cifar_fs(tmp_path / "cifar-fs")
    file = tmp_path / "cifar-fs" / "cifar-100-binary" / name
    os.truncate(file, 3074 * 2**24)  # a sparse file of 48 GiB
    with pytest.raises(DataError, match=rf"{name} cannot be read \(it has .* bytes, and at most {most:,} are read\)"):
        CifarFs().load("novel", tmp_path)


def test_cifar_with_other_names_is_refused(tmp_path: Path) -> None:
    cifar_fs(tmp_path / "cifar-fs")
    (tmp_path / "cifar-fs" / "cifar-100-binary" / "fine_label_names.txt").write_text("apple\n")
    with pytest.raises(DataError, match=r"CIFAR-100 has 100 classes, but 1 were found\."):
        CifarFs().load("novel", tmp_path)


def test_cifar_without_base_classes_is_an_error(data: Path) -> None:
    (data / "pairs.csv").write_text("label,split\napple,novel\nbee,novel\n")
    with pytest.raises(DataError, match=r"'cifar-fs' has no base classes: its split has only novel ones\."):
        CifarFs(split_file="pairs.csv").load("base", data)


def test_drawings_equal_their_bytes(data: Path) -> None:
    images = QuickDraw().load("novel", data)
    folder = data / "quick-draw" / "numpy_bitmap"
    for number, name in enumerate(images.classes):
        bitmaps = torch.from_numpy(np.load(folder / f"{name}.npy")).reshape(-1, 1, 28, 28)
        mine = np.flatnonzero(images.labels == number).tolist()
        assert torch.equal(images.at(28).read(mine), bitmaps.expand(-1, 3, -1, -1))


def test_only_the_first_drawings_of_a_file_are_used(data: Path) -> None:
    whole, part = QuickDraw().load("novel", data).at(28), QuickDraw(per_class=2).load("novel", data).at(28)
    assert len(part) == 2 * 52
    assert torch.equal(part.read([0, 1, 2, 3]), whole.read([0, 1, 3, 4]))
    with pytest.raises(OptionError, match=r"Option 'per_class' of 'quick-draw' must be above 0, but is 0\."):
        QuickDraw(per_class=0)


def test_drawings_of_base_classes_are_not_needed_for_novel_classes(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "quick-draw" / "full" / "numpy_bitmap"
    folder.mkdir(parents=True)
    for name in QuickDraw().load("novel", data).classes:
        shutil.copy(data / "quick-draw" / "numpy_bitmap" / f"{name}.npy", folder)
    assert QuickDraw().load("novel", tmp_path).sha256 == QuickDraw().load("novel", data).sha256
    with pytest.raises(DataError, match=r"The base split of 'quick-draw' names the class .* but .* has no image of it"):
        QuickDraw().load("base", tmp_path)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (
            np.zeros((3, 784), np.float32),
            r"contains float32 of shape \(3, 784\), but bitmaps are uint8 of shape \(n, 784\)",
        ),
        (np.zeros((3, 28, 28), np.uint8), r"contains uint8 of shape \(3, 28, 28\)"),
        (np.array([{"an": "object"}]), "cannot be read as an array"),
        (b"", "cannot be read as an array"),
        (b"\x93NUMPY\x01\x00\x10\x00{'shape': (9,   \n", "cannot be read as an array"),
    ],
    ids=["floats", "squares", "a pickle", "empty", "cut"],
)
def test_a_damaged_file_of_drawings_is_refused(content: object, why: str, tmp_path: Path) -> None:
    quick_draw(tmp_path / "quick-draw")
    file = tmp_path / "quick-draw" / "numpy_bitmap" / "yoga.npy"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        np.save(file, content)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=rf"yoga\.npy {why}"):
        QuickDraw().load("novel", tmp_path)


def test_a_cut_file_of_drawings_is_refused(tmp_path: Path) -> None:
    quick_draw(tmp_path / "quick-draw")
    file = tmp_path / "quick-draw" / "numpy_bitmap" / "yoga.npy"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"yoga\.npy cannot be read as an array"):
        QuickDraw().load("novel", tmp_path)


@pytest.mark.parametrize("layout", ["meta_train meta_val meta_test", "train val test"])
@pytest.mark.parametrize("cls", [CifarFs, MiniImageNet])
def test_class_folders_in_three_split_folders_are_read_by_the_shipped_list(
    cls: type[PublishedDataset], layout: str, tmp_path: Path
) -> None:
    for index, name in enumerate(listed(cls.name)):
        folders(tmp_path / cls.name / layout.split()[index % 3], [name], each=1)
    (tmp_path / cls.name / "__MACOSX" / "train").mkdir(parents=True)  # as archives made on a Mac contain
    split = shipped_split(cls.name)
    assert split is not None
    assert cls().load("novel", tmp_path).classes == split.novel


@pytest.mark.parametrize("layout", ["cifar100/data", "."])
def test_a_class_named_train_is_not_a_split(layout: str, tmp_path: Path) -> None:
    folders(tmp_path / "cifar-fs" / layout, listed("cifar-fs"), each=1)
    images = CifarFs().load("base", tmp_path)
    assert "train" in images.classes
    assert len(images) == 64


def test_only_x_rays_with_one_of_seven_findings_are_used(data: Path) -> None:
    images = ChestX().load("novel", data)
    assert len(images) == 14
    assert "Pneumonia" not in images.classes


def test_an_x_ray_that_is_missing_is_named(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "chestx", tmp_path / "chestx", ignore=shutil.ignore_patterns("unpacked", "images_003*"))
    with pytest.raises(DataError, match=r"names '00000002_000\.png', which is not in .* An archive is missing"):
        ChestX().load("novel", tmp_path)


def test_a_lesion_with_two_diagnoses_is_named(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "isic", tmp_path / "isic")
    table = next((tmp_path / "isic").rglob("*.csv"))
    table.write_text(table.read_text().replace("1.0,0.0", "1.0,1.0", 1))
    with pytest.raises(DataError, match=r"gives 'ISIC_0000000' 2 diagnoses, not one"):
        Isic().load("novel", tmp_path)


def test_an_aeroplane_that_is_missing_is_named(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "aircraft", tmp_path / "aircraft")
    next((tmp_path / "aircraft").rglob("0000003.jpg")).unlink()
    with pytest.raises(DataError, match="names '0000003', which is not in"):
        Aircraft().load("novel", tmp_path)


def test_flowers_without_labels_for_all_are_refused(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "vgg-flower", tmp_path / "vgg-flower")
    paint(tmp_path / "vgg-flower" / "jpg" / "image_00205.jpg")
    with pytest.raises(DataError, match="labels 204 images, but there are 205"):
        VggFlower().load("novel", tmp_path)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "cannot be read"),
        (b"MATLAB 5.0 " * 30, "cannot be read"),
        (b"0" * 2**21, "has 2,097,152 bytes, and at most 131,072 are read"),
        (packed(np.ones((1, 40_000_000), np.uint8)), "a variable takes more than 69,608 bytes"),
        (packed(np.ones((1, 8_190), np.uint8)), r"are 8,190 numbers of shape \(1, 8190\), and at most 8,189 are read"),
        (packed(np.full(204, np.inf)), "cannot convert float infinity to integer"),
        (packed(np.ones(204), name="numbers"), "it has no 'labels'"),
    ],
    ids=["empty", "text", "large", "swells", "one too many", "infinite", "another name"],
)
def test_a_damaged_table_of_labels_is_refused(data: Path, tmp_path: Path, content: bytes, why: str) -> None:
    shutil.copytree(data / "vgg-flower", tmp_path / "vgg-flower")
    (tmp_path / "vgg-flower" / "imagelabels.mat").write_bytes(content)
    with pytest.raises(DataError, match=why):
        VggFlower().load("novel", tmp_path)


def test_a_table_of_labels_is_read_compressed_or_not(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "vgg-flower", tmp_path / "vgg-flower")
    before = VggFlower().load("novel", tmp_path)
    (tmp_path / "vgg-flower" / "imagelabels.mat").write_bytes(packed((np.arange(204) % 102 + 1.0)[None]))
    assert VggFlower().load("novel", tmp_path).sha256 == before.sha256


def test_the_cropping_of_pictures_is_part_of_the_hash(data: Path) -> None:
    squeezed, cut = EuroSat().load("novel", data), replace(EuroSat(), fit="centre").load("novel", data)
    assert squeezed.sha256 != cut.sha256
    assert not torch.equal(squeezed.read([0]), cut.read([0]))
