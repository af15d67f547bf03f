"""Pictures are found at any depth, read over white and brought to one size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from freeshot.basics.errors import DataError
from freeshot.data.picture_folders import open_classes, open_pictures


def paint(path: Path, colour: tuple[int, ...], size: tuple[int, int] = (9, 7), mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


def test_classes_are_folders_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b/2.png", "a/1.png", "b/deep/3.JPG"):
        paint(tmp_path / name, (10, 20, 30))
    (tmp_path / "a" / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden").mkdir()
    found = open_classes(tmp_path, 4)
    assert found.classes == ("a", "b")
    assert found.labels.tolist() == [0, 1, 1]
    assert [file.name for file in found.files] == ["1.png", "2.png", "3.JPG"]


def test_pictures_of_any_shape_become_squares_of_three_channels(tmp_path: Path) -> None:
    paint(tmp_path / "rgb.png", (10, 20, 30))
    paint(tmp_path / "grey.png", (99,), mode="L")
    pictures = open_pictures(tmp_path, 5)
    grey, colour = pictures.read([0, 1])
    assert pictures.read([0]).dtype == torch.uint8
    assert (grey == 99).all()
    assert colour[:, 2, 3].tolist() == [10, 20, 30]
    assert grey.shape == colour.shape == (3, 5, 5)


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    paint(tmp_path / "clear.png", (0, 0, 0, 0), mode="RGBA")
    assert (open_pictures(tmp_path, 3).read([0]) == 255).all()


def test_a_single_file_is_a_query_too(tmp_path: Path) -> None:
    paint(tmp_path / "one.png", (1, 2, 3))
    assert len(open_pictures(tmp_path / "one.png", 3)) == 1


def test_a_class_without_pictures_is_named(tmp_path: Path) -> None:
    paint(tmp_path / "a/1.png", (1, 2, 3))
    (tmp_path / "b").mkdir()
    with pytest.raises(DataError, match=r"b has no image\. Add at least one, or remove the class\."):
        open_classes(tmp_path, 3)


@pytest.mark.parametrize("opener", [open_classes, open_pictures])
def test_a_folder_that_is_not_there_is_named(tmp_path: Path, opener: object) -> None:
    assert callable(opener)
    with pytest.raises(DataError, match=r"The folder .*nowhere does not exist\."):
        opener(tmp_path / "nowhere", 3)


def test_a_folder_without_pictures_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no image"):
        open_pictures(tmp_path, 3)
