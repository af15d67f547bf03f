"""Folders are listed in one order, and links that lead out of them are refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from freeshot.basics.errors import DataError
from freeshot.data.decode import ENDINGS, UNREAD
from freeshot.data.image_folder import (
    classes_in,
    left_out,
    member,
    open_classes,
    open_pictures,
    open_queries,
    pictures_in,
    stray_images,
)
from freeshot.data.images import images_of


def paint(path: Path, colour: tuple[int, ...] = (0, 0, 0), size: tuple[int, int] = (9, 7), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)
    return path


def test_classes_and_pictures_are_sorted_and_hidden_ones_left_out(tmp_path: Path) -> None:
    for name in ("b/2.png", "b/deep/1.PNG", "a/1.ppm", ".git/1.png", "a/.thumb.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "a" / "notes.txt").write_text("no picture")
    actual = {name: [str(file.relative_to(tmp_path)) for file in files] for name, files in classes_in(tmp_path).items()}
    assert actual == {"a": ["a/1.ppm"], "b": ["b/2.png", "b/deep/1.PNG"]}


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    paint(tmp_path / "disk" / "a" / "1.png")
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    assert list(classes_in(tmp_path / "data")) == ["a"]


def test_a_link_inside_of_the_folder_may_be_followed(tmp_path: Path) -> None:
    real = paint(tmp_path / "a" / "1.png")
    (tmp_path / "a" / "2.png").symlink_to(real)
    assert len(pictures_in(tmp_path)) == 2


@pytest.mark.parametrize("name", ["a/secret.png", "a/folder", "b"])
def test_a_link_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    paint(tmp_path / "in" / "a" / "1.png")
    outside = paint(tmp_path / "out" / "x.png")
    (tmp_path / "in" / name).symlink_to(outside if name.endswith("png") else outside.parent)
    with pytest.raises(DataError, match=r"is a link that leads out of .*\. Put the files themselves there\."):
        classes_in(tmp_path / "in")


@pytest.mark.parametrize("name", ["../x.png", "/etc/passwd", "a/../../x.png", "a\0.png"])
def test_a_name_in_a_table_may_not_lead_out(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="leads out of"):
        member(tmp_path, name)


def test_a_class_without_pictures_is_named(tmp_path: Path) -> None:
    paint(tmp_path / "a/1.png")
    (tmp_path / "b").mkdir()
    with pytest.raises(DataError, match=r"b has no image\. Add at least one, or remove the class\."):
        classes_in(tmp_path)


@pytest.mark.parametrize(
    "opener", [pictures_in, lambda path: open_classes(path, 3), lambda path: open_pictures(path, 3)]
)
def test_a_missing_folder_is_named(tmp_path: Path, opener: Callable[[Path], object]) -> None:
    with pytest.raises(DataError, match=r"The folder .*nowhere does not exist\."):
        opener(tmp_path / "nowhere")


def test_a_cycle_of_links_ends(tmp_path: Path) -> None:
    paint(tmp_path / "a" / "1.png")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    assert len(pictures_in(tmp_path)) == 1


@pytest.mark.parametrize("name", ["a\udcff/1.png", "a/\udcff.png", "a/b\udcff/1.png"])
def test_a_name_that_is_not_utf_8_is_refused(tmp_path: Path, name: str) -> None:
    paint(tmp_path / "a" / "1.png")
    paint(tmp_path / name)
    with pytest.raises(DataError, match=r"is not valid UTF-8\. Rename that file or folder\."):
        classes_in(tmp_path)


@pytest.mark.parametrize("name", ["a/x.png", "a/loop", "b"])
def test_a_link_that_leads_to_itself_is_refused(tmp_path: Path, name: str) -> None:
    paint(tmp_path / "a" / "1.png")
    (tmp_path / name).symlink_to(tmp_path / name)
    if name != "a/x.png":  # only folders are classes
        assert list(classes_in(tmp_path)) == ["a"]
        return
    with pytest.raises(DataError, match=r"is part of a loop of links\."):
        classes_in(tmp_path)


def empty(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_pictures_in_formats_that_are_not_read_are_counted_once(tmp_path: Path) -> None:
    empty(tmp_path, "a/1.png", "a/2.HEIC", "b/deep/3.avif", "b/4.heic")
    assert left_out(tmp_path, tmp_path / "b") == (
        "Left out 3 files in unsupported formats: .avif, .heic. Save images as PNG or JPEG."
    )
    assert left_out(tmp_path / "a") == ("Left out 1 file in unsupported formats: .heic. Save images as PNG or JPEG.")


@pytest.mark.parametrize("name", ["a/list.csv", "a/notes.txt", "a/1.json", "a/._1.heic", ".trash/1.heic", "a/README"])
def test_hidden_files_and_those_of_other_kinds_are_left_out_without_a_message(tmp_path: Path, name: str) -> None:
    assert left_out(empty(tmp_path, "a/1.png", name), tmp_path / "nowhere") == ""


def test_no_ending_is_both_read_and_left_out() -> None:
    assert not ENDINGS & UNREAD


def test_classes_are_folders_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b/2.png", "a/1.png", "b/deep/3.JPG"):
        paint(tmp_path / name, (10, 20, 30))
    (tmp_path / "a" / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden").mkdir()
    actual = open_classes(tmp_path, 4)
    assert actual.classes == ("a", "b")
    assert actual.labels.tolist() == [0, 1, 1]
    assert [file.name for file in actual.files] == ["1.png", "2.png", "3.JPG"]


def test_pictures_of_any_shape_become_squares_of_three_channels(tmp_path: Path) -> None:
    paint(tmp_path / "rgb.png", (10, 20, 30))
    paint(tmp_path / "grey.png", (99,), mode="L")
    pictures = open_pictures(tmp_path, 5)
    grey, colour = pictures.read([0, 1])
    assert pictures.read([0]).dtype == torch.uint8
    assert (grey == 99).all()
    assert colour[:, 2, 3].tolist() == [10, 20, 30]
    assert grey.shape == colour.shape == (3, 5, 5)


def test_transparent_pixels_become_white(tmp_path: Path) -> None:
    paint(tmp_path / "clear.png", (0, 0, 0, 0), mode="RGBA")
    assert (open_pictures(tmp_path, 3).read([0]) == 255).all()


def test_a_single_file_is_a_query_too(tmp_path: Path) -> None:
    paint(tmp_path / "one.png", (1, 2, 3))
    assert len(open_pictures(tmp_path / "one.png", 3)) == 1


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no image"):
        open_pictures(tmp_path, 3)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (("1.png", "2.png"), "at least two, but contains 0. Move its 2 images into folders named after their classes."),
        (("a/1.png",), "at least two, but contains 1. Add more."),
        (("notes.txt",), "at least two, but contains 0. Add more."),
    ],
    ids=["flat", "one class", "no image"],
)
def test_a_support_folder_without_classes_is_explained(tmp_path: Path, names: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(DataError) as caught:
        open_classes(empty(tmp_path, *names), 4)
    assert str(caught.value) == f"{tmp_path} must contain one folder of images per class, {sentence}"


def test_images_beside_the_class_folders_are_counted(tmp_path: Path) -> None:
    empty(tmp_path, "a/1.png", "b/1.png", "notes.txt", ".hidden.png")
    assert stray_images(tmp_path) == ""
    empty(tmp_path, "2.jpg")
    assert stray_images(tmp_path) == (f"Left out 1 image beside the class folders of {tmp_path}. Move them into one.")


@pytest.mark.parametrize("closed", ["", "a", "a/deep"])
def test_a_folder_that_cannot_be_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: str) -> None:
    empty(tmp_path, "a/1.png", "a/deep/2.png", "b/1.png")
    scan, folder = os.scandir, tmp_path / closed

    def scandir(path: str) -> object:
        if Path(path) == folder:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(os, "listdir", lambda path: [entry.name for entry in scandir(path)])  # type: ignore[attr-defined]
    with pytest.raises(DataError) as caught:
        classes_in(tmp_path)
    assert str(caught.value) == (
        f"The folder {folder} cannot be opened (Permission denied). Change its permissions or choose another."
    )


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("cat/1.png", 0),
        ("dog/deep/1.png", 1),
        ("monday/dog/1.png", 1),
        ("cat/dog/1.png", 0),
        ("horse/1.png", -1),
        ("1.png", -1),
        ("cat.png", -1),
    ],
)
def test_a_query_belongs_to_the_class_that_the_outermost_folder_names(tmp_path: Path, name: str, label: int) -> None:
    pictures = open_queries(empty(tmp_path / "query", name).resolve(), 4, ("cat", "dog"))
    assert (pictures.labels.tolist(), pictures.classes) == ([label], ("cat", "dog"))


@pytest.mark.parametrize("name", ["", "1.png"])
def test_the_name_of_the_given_folder_counts_too(tmp_path: Path, name: str) -> None:
    folder = empty(tmp_path / "dog", "1.png")
    assert open_queries(folder / name, 4, ("cat", "dog")).labels.tolist() == [1]


def test_own_images_are_upright_and_data_sets_are_not(tmp_path: Path) -> None:
    paint(tmp_path / "a/1.png")
    paint(tmp_path / "b/1.png")
    assert open_classes(tmp_path, 4).upright
    assert open_pictures(tmp_path, 4).upright
    assert not images_of(classes_in(tmp_path), ("a", "b"), None).upright
