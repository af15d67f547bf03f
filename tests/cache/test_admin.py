"""A cache is listed and pruned by kind and age; files of other programs are never touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from freeshot.basics.errors import OptionError, StoreError
from freeshot.cache.admin import CacheItem, age, list_items, prune, seconds_of, to_prune, totals_by_kind

NAME = "0123456789abcdef"


def put(path: Path, size: int = 10, used: float = 1000.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (used, used))
    return path


def aged(folder: Path, used: float) -> None:
    os.utime(folder, (used, used))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    root = tmp_path / "cache"
    for stage, size, used in (("inversion", 30, 1000.0), ("features", 50, 5000.0)):
        folder = put(root / "artifacts" / stage / NAME / "card.json", size, used).parent
        put(folder / "tensors.safetensors", 100, used)
        aged(folder, used)
    aged(put(root / "pixels" / NAME / "pixels.npy", 700, 2000.0).parent, 2000.0)
    aged(put(root / "artifacts" / "inversion" / ".writing-abc" / "x").parent, 1000.0)
    put(root / "artifacts" / "inversion" / f".{NAME}.safetensors")
    put(root / "cells" / f"{NAME}.safetensors")
    put(root / "cells" / f".{NAME}.safetensors.x3_a.safetensors")
    put(root / "artifacts" / "inversion" / f"..{NAME}.safetensors.x3_a.safetensors")
    put(root / "failures" / f"{NAME}.txt")
    put(root / "locks" / f"{NAME}.lock")
    return root


def test_items_are_totalled_by_kind(cache: Path) -> None:
    actual = [(kind.name, kind.count, kind.bytes, kind.used) for kind in totals_by_kind(list_items(cache))]
    assert actual == [
        ("pixels", 1, 700, 2000.0),
        ("features", 1, 150, 5000.0),
        ("inversion", 1, 130, 1000.0),
        ("unfinished", 5, 50, 1000.0),
        ("failures", 1, 10, 1000.0),
    ]


def test_items_unused_for_long_are_removed(cache: Path) -> None:
    prune(to_prune(list_items(cache), (), older_than=3500.0, now=5400.0))
    assert {item.kind for item in list_items(cache)} == {"features", "pixels"}
    assert (cache / "locks" / f"{NAME}.lock").exists()


def test_items_are_selected_by_kind_alone_and_by_kind_and_age(cache: Path) -> None:
    items = list_items(cache)
    assert {item.kind for item in to_prune(items, {"pixels"}, None, 5400.0)} == {"pixels"}
    assert to_prune(items, {"features"}, older_than=3500.0, now=5400.0) == []
    prune(to_prune(items, {"pixels", "features"}, None, 5400.0))
    assert {item.kind for item in list_items(cache)} == {"inversion", "unfinished", "failures"}


def test_pruning_without_a_selection_is_an_error(cache: Path) -> None:
    with pytest.raises(OptionError) as caught:
        to_prune(list_items(cache), (), None, 0.0)
    assert (
        str(caught.value) == "Select what to delete with --older-than 30d, --kind NAME, or both. Nothing was removed."
    )


def test_an_absent_kind_is_named(cache: Path) -> None:
    with pytest.raises(OptionError) as caught:
        to_prune(list_items(cache), {"pixel"}, None, 0.0)
    assert str(caught.value) == (
        "The cache holds no 'pixel'. It holds: failures, features, inversion, pixels, unfinished."
    )


def test_files_of_other_programs_stay(cache: Path) -> None:
    foreign = [
        put(cache / "thesis.txt"),
        put(cache / "artifacts" / "notes.txt"),
        put(cache / "artifacts" / "inversion" / "my results" / "a"),
        put(cache / "pixels" / "holiday" / "a.png"),
        put(cache / "cells" / "thesis.safetensors"),
        put(cache / "other" / NAME / "card.json"),
    ]
    prune(to_prune(list_items(cache), (), older_than=0.0, now=1e12))
    assert list_items(cache) == []
    assert all(path.exists() for path in foreign)


def test_links_are_neither_followed_nor_removed(cache: Path, tmp_path: Path) -> None:
    outside = put(tmp_path / "outside" / NAME / "card.json").parent.parent
    links = [
        cache / "artifacts" / "linked-stage",
        cache / "artifacts" / "inversion" / ("f" * 16),
        cache / "failures" / f"{'f' * 16}.txt",
    ]
    for link, target in zip(links, (outside, outside / NAME, outside / NAME / "card.json"), strict=True):
        link.symlink_to(target)
    (cache / "pixels" / NAME / "inner").symlink_to(outside)  # in a removed folder: the link goes, its target stays
    prune(to_prune(list_items(cache), (), older_than=0.0, now=1e12))
    assert all(link.is_symlink() for link in links)
    assert (outside / NAME / "card.json").exists()
    assert not (cache / "pixels" / NAME).exists()


def test_a_link_in_place_of_the_folder_of_a_kind_is_not_followed(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside" / NAME / "a").parent.parent
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "pixels").symlink_to(outside)
    assert list_items(tmp_path / "cache") == []


@pytest.mark.parametrize("name", ["missing", "file", "link"])
def test_a_cache_that_is_not_a_folder_is_an_error(tmp_path: Path, name: str) -> None:
    put(tmp_path / "file")
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(StoreError) as caught:
        list_items(tmp_path / name)
    assert str(caught.value) == (
        f"The cache folder {tmp_path / name} does not exist. Give the --cache of your runs; links are not accepted."
    )


def test_items_that_another_process_removed_are_ignored(cache: Path) -> None:
    items = list_items(cache)
    prune(items)
    prune(items)


def test_an_item_that_cannot_be_removed_is_named(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("shutil.rmtree", refuse)
    item = CacheItem("pixels", cache / "pixels" / NAME, 0, 0.0)
    with pytest.raises(StoreError) as caught:
        prune([item])
    assert str(caught.value) == f"{item.path} cannot be removed (Permission denied). Fix this and rerun."


@pytest.mark.parametrize(
    ("text", "seconds"), [("90m", 5400.0), ("12h", 43200.0), ("30d", 2592000.0), ("2w", 1209600.0), ("1.5h", 5400.0)]
)
def test_ages_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "-3d", "3y", "nan d", "1e9d"])
def test_invalid_ages_are_refused(text: str) -> None:
    with pytest.raises(OptionError) as caught:
        seconds_of(text)
    assert str(caught.value) == (
        f"Invalid age '{text}': expected a number and m, h, d or w, such as 30d for thirty days."
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3.0, "just now"), (60.0, "1 minute ago"), (7300.0, "2 hours ago"), (86400.0 * 31, "31 days ago")],
)
def test_ages_are_printed_as_people_say_them(seconds: float, text: str) -> None:
    assert age(seconds) == text
