"""A check counts images, names broken ones, and finds near duplicates across base and novel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from freeshot import FewShotDataset
from freeshot.basics.errors import DataError
from freeshot.data.splits import Split
from freeshot.data.user_dataset import Manifest, TrackSettings, dataset_class
from freeshot.data.verify import check_dataset, dhash, near_pairs
from freeshot.testing.toy import ToyImages, ToyWaves


def picture(seed: int, side: int = 64) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index, name in enumerate(("a", "b", "c", "d")):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(3):
            picture(10 * index + number).save(tmp_path / "pictures" / name / f"{number}.png")
    return tmp_path / "pictures"


def dataset(folder: Path) -> FewShotDataset:
    split = Split(base=("a", "b"), novel=("c", "d"))
    return dataset_class(
        Manifest(name="mine", path=str(folder), splits=split, settings=TrackSettings(pool="toy", backbone="toy-vit"))
    )()


def test_splits_are_counted(folder: Path, tmp_path: Path) -> None:
    actual = check_dataset(dataset(folder), tmp_path)
    assert [(s.name, s.classes, s.images, s.fewest) for s in actual.splits] == [("base", 2, 6, 3), ("novel", 2, 6, 3)]
    assert (actual.broken, actual.near_duplicates) == ((), ())


def test_every_broken_image_is_named(folder: Path, tmp_path: Path) -> None:
    for name in ("a/1.png", "d/2.png"):
        (folder / name).write_bytes((folder / name).read_bytes()[:60])
    actual = check_dataset(dataset(folder), tmp_path)
    assert [f"{folder}/a/1.png" in actual.broken[0], f"{folder}/d/2.png" in actual.broken[1]] == [True, True]
    assert check_dataset(dataset(folder), tmp_path, decode=False).broken == ()


def test_a_novel_image_that_was_seen_in_training_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "c" / "0.png").write_bytes((folder / "a" / "0.png").read_bytes())
    (pair,) = check_dataset(dataset(folder), tmp_path).near_duplicates
    assert pair.same
    assert (pair.base, pair.novel) == (str(folder / "a" / "0.png"), str(folder / "c" / "0.png"))


def test_a_near_duplicate_of_another_size_and_compression_is_named(folder: Path, tmp_path: Path) -> None:
    picture(0).resize((90, 80), Image.Resampling.BICUBIC).save(folder / "c" / "again.jpg", quality=60)
    (pair,) = check_dataset(dataset(folder), tmp_path).near_duplicates
    assert not pair.same
    assert pair.novel.endswith("again.jpg")
    assert pair.bits <= 4


def test_images_without_files_are_named_by_class_and_index(tmp_path: Path) -> None:
    class Twice(ToyWaves):
        def load(self, split: str, root: Path) -> ToyImages:
            return super().load("base", root)

    base = ToyWaves().load("base", tmp_path)
    names = {f"{index} of '{name}'" for name in base.classes for index in range(len(base) // len(base.classes))}
    alike = [pair for pair in check_dataset(Twice(), tmp_path).near_duplicates if pair.same]
    assert {pair.base for pair in alike} == names
    assert all(pair.base == pair.novel for pair in alike)


def test_progress_is_reported(folder: Path, tmp_path: Path) -> None:
    received: list[tuple[int, int]] = []
    check_dataset(dataset(folder), tmp_path, on_step=lambda done, total: received.append((done, total)))
    assert received == [(number + 1, 12) for number in range(12)]


def test_any_data_set_can_be_checked(tmp_path: Path) -> None:
    actual = check_dataset(ToyWaves(), tmp_path)
    assert [split.name for split in actual.splits] == ["base", "validation", "novel"]


def test_missing_files_of_a_data_set_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is neither a folder of class folders nor a CSV file"):
        check_dataset(dataset(tmp_path / "gone"), tmp_path)


def test_featureless_images_have_no_near_duplicates() -> None:
    grey = dhash(np.full((20, 20, 3), 7, np.uint8))
    assert grey.shape == (64,)
    assert not grey.any()
    assert not list(near_pairs(grey[None], grey[None]))


def test_a_difference_hash_marks_where_the_image_grows_brighter() -> None:
    bright = np.repeat(np.tile(np.linspace(0, 255, 90).astype(np.uint8), (80, 1))[..., None], 3, axis=2)
    assert dhash(bright).all()
    assert not dhash(bright[:, ::-1]).any()
    half = bright.copy()
    half[40:] = half[40:, ::-1]
    assert dhash(half).tolist() == [True] * 32 + [False] * 32


def bits_of(hashes: list[int]) -> np.ndarray:
    octets = np.array(hashes, ">u8")[:, None].view(np.uint8)
    return np.unpackbits(octets, axis=1).astype(bool)


hashes = st.lists(st.integers(1, 2**64 - 1), min_size=1, max_size=30)


@given(first=hashes, second=hashes, radius=st.integers(0, 40), block=st.sampled_from([1, 7, 2**22]))
@settings(deadline=None)
def test_near_pairs_are_those_of_two_loops(
    first: list[int],
    second: list[int],
    radius: int,
    block: int,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("freeshot.data.verify.BLOCK", block)
        actual = set(near_pairs(bits_of(first), bits_of(second), radius))
    slow = {
        (i, j, bits)
        for i, a in enumerate(first)
        for j, b in enumerate(second)
        if (bits := (a ^ b).bit_count()) <= radius
    }
    assert actual == slow
