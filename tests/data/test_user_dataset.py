"""A manifest in the data folder is a data set and a track; an invalid one does not affect the others."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from freeshot.basics.errors import DataError, OptionError
from freeshot.data.lookup import dataset_by_name
from freeshot.data.splits import Split
from freeshot.data.user_dataset import (
    Manifest,
    TrackSettings,
    dataset_class,
    list_images,
    manifest_path,
    read_manifest,
    register_user_datasets,
    require_name,
    write_manifest,
)
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import Host, load_plugins
from freeshot.testing import check

FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SPLIT = Split(base=("a",), novel=("b", "c"))
SETTINGS = TrackSettings(pool="toy", sources=("toy-waves",), backbone="toy-vit", way=2, shot=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index, name in enumerate("abc"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(2):
            colour = (80 * index, 100 * number, 9)
            Image.new("RGB", (5, 4), colour).save(tmp_path / "pictures" / name / f"{number}.png")
    return tmp_path / "pictures"


def manifest(folder: Path, **changed: object) -> Manifest:
    facts = {"name": "mine", "path": str(folder), "splits": SPLIT, "settings": SETTINGS, **changed}
    return Manifest.model_validate(facts)


def offered(data: Path) -> Catalogue:
    host = Host()
    register_user_datasets(host, data)
    return Catalogue(host)


def test_the_data_set_of_a_manifest_passes_the_contract_kit(folder: Path) -> None:
    check(dataset_class(manifest(folder, license="CC0-1.0", domain="colours")))


def test_a_manifest_is_offered_as_data_set_and_track(folder: Path, tmp_path: Path) -> None:
    write_manifest(tmp_path, manifest(folder))
    catalogue = offered(tmp_path)
    assert catalogue.names("dataset") == ("mine",)
    assert catalogue.origin("dataset", "mine") == "your data"
    track = catalogue.track("own/mine/2w1s")
    assert (track.dataset, track.pool, track.sources, track.way) == ("mine", "toy", ("toy-waves",), 2)


def test_a_data_folder_is_offered_once(folder: Path, tmp_path: Path) -> None:
    write_manifest(tmp_path, manifest(folder))
    host = Host()
    register_user_datasets(host, tmp_path)
    register_user_datasets(host, tmp_path)
    assert Catalogue(host).names("dataset") == ("mine",)
    assert not host.failures


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is not a valid data set manifest"),
        ("[]", "is not a valid data set manifest"),
        ('{"format": 2}', r"is not a valid data set manifest \(.*\)\. Add the data set again\."),
        ("\x00", "is not a valid data set manifest"),
    ],
)
def test_an_invalid_manifest_does_not_affect_the_others(folder: Path, tmp_path: Path, text: str, why: str) -> None:
    write_manifest(tmp_path, manifest(folder))
    manifest_path(tmp_path, "other").write_text(text)
    host = Host()
    register_user_datasets(host, tmp_path)
    assert Catalogue(host).names("dataset") == ("mine",)
    (failure,) = host.failures
    assert re.search(why, failure.reason)
    assert failure.name == "own-other"
    with pytest.raises(DataError, match=re.escape(failure.reason)):
        read_manifest(manifest_path(tmp_path, "other"))


def test_a_manifest_of_another_name_is_refused(folder: Path, tmp_path: Path) -> None:
    path = write_manifest(tmp_path, manifest(folder)).rename(manifest_path(tmp_path, "other"))
    with pytest.raises(DataError, match=r"describes the data set 'mine'\. Rename the file"):
        read_manifest(path)


def test_a_manifest_whose_class_is_in_two_splits_is_refused(folder: Path, tmp_path: Path) -> None:
    path = write_manifest(tmp_path, manifest(folder, splits=Split(base=("a",), novel=("a", "b"))))
    with pytest.raises(DataError, match="The manifest of 'mine' names the class 'a' twice"):
        read_manifest(path)


def test_a_class_without_a_folder_is_named(folder: Path, tmp_path: Path) -> None:
    for file in (folder / "c").iterdir():
        file.unlink()
    (folder / "c").rmdir()
    with pytest.raises(DataError, match=r"The split of 'mine' names the class 'c', but .* has no image of it"):
        dataset_class(manifest(folder))().load("novel", tmp_path)


def test_a_table_lists_pictures_relative_to_itself(folder: Path) -> None:
    (folder / "t.csv").write_text("path,label,split,note\na/0.png,x,base,\nb/0.png,y,novel,hm\na/0.png,x,base,\n")
    listed = list_images(folder / "t.csv")
    assert {label: [file.name for file in files] for label, files in listed.members.items()} == {
        "x": ["0.png"],
        "y": ["0.png"],
    }
    assert set(listed.splits) == {("x", "base"), ("y", "novel")}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("path,label\ngone.png,x\n", r"names 'gone\.png', which does not exist"),
        ("path,label\n../../x.png,x\n", "leads out of"),
        ("path,label,split\na/0.png,x,base\nb/0.png,y,\n", "names a split in 1 of 2 lines"),
        ("file,label\n", "has no column 'path'"),
    ],
)
def test_an_invalid_table_is_explained_in_one_sentence(folder: Path, text: str, why: str) -> None:
    (folder / "t.csv").write_text(text)
    with pytest.raises(DataError, match=why):
        list_images(folder / "t.csv")


def test_a_path_to_neither_folders_nor_a_table_is_an_error(folder: Path) -> None:
    with pytest.raises(DataError, match="is neither a folder of class folders nor a CSV file"):
        list_images(folder / "a" / "0.png")
    with pytest.raises(DataError, match="must hold one folder of pictures for each class, at least two"):
        list_images(folder.parent)


@pytest.mark.parametrize("name", ["", "Mine", "a/b", "../x", "-a", "a b"])
def test_invalid_names_are_errors(name: str) -> None:
    with pytest.raises(DataError, match="cannot be a data set's name"):
        require_name(name)


@FUZZ
@given(data=st.data())
def test_a_mutated_manifest_is_read_or_an_error_of_one_line(folder: Path, tmp_path: Path, data: st.DataObject) -> None:
    path = manifest_path(tmp_path, "mine")
    path.parent.mkdir(exist_ok=True)
    content = bytearray(manifest(folder).model_dump_json().encode())
    for index, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=5)
    ):
        content[index] = value
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        assert read_manifest(path).name == "mine"
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right


@FUZZ
@given(
    key=st.sampled_from(["name", "path", "splits", "settings", "fit", "more"]), value=st.none() | st.text(max_size=4)
)
def test_a_manifest_with_an_unexpected_value_is_read_or_an_error_of_one_line(
    folder: Path, tmp_path: Path, key: str, value: str | None
) -> None:
    path = manifest_path(tmp_path, "mine")
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({**json.loads(manifest(folder).model_dump_json()), key: value}))
    try:
        assert read_manifest(path).name == "mine"
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right


def test_a_data_set_takes_the_options_that_follow_its_name() -> None:
    catalogue = Catalogue(load_plugins(only=frozenset({"vision"})))
    assert dataset_by_name(catalogue, "cub").fit == "square"  # type: ignore[attr-defined]
    assert dataset_by_name(catalogue, "cub:fit=centre").fit == "centre"  # type: ignore[attr-defined]
    with pytest.raises(OptionError, match="fit"):
        dataset_by_name(catalogue, "cub:fit=round")


@pytest.mark.parametrize("name", ["x" * 300, "x" * 5000])
def test_a_path_longer_than_any_file_name_does_not_exist(folder: Path, name: str) -> None:
    (folder / "t.csv").write_text(f"path,label\n{name},a\n")
    with pytest.raises(DataError, match="which does not exist"):
        list_images(folder / "t.csv")
    with pytest.raises(DataError, match="is neither a folder of class folders nor a CSV file"):
        list_images(folder / name)
