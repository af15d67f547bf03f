"""Images in files are identified by their contents, hashed once, and read at any size."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from freeshot.basics.errors import DataError
from freeshot.basics.files import file_sha256
from freeshot.contracts.dataset import fitted
from freeshot.data import hash_cache as checksums
from freeshot.data.hash_cache import checksum, content_hashes
from freeshot.data.images import FileImages, images_of


@pytest.fixture
def members(tmp_path: Path) -> dict[str, list[Path]]:
    actual: dict[str, list[Path]] = {"cat": [], "dog": []}
    for index, name in enumerate(("cat", "dog", "cat")):
        path = tmp_path / f"{index}.png"
        Image.new("RGB", (6, 4), (index * 50, 10, 20)).save(path)
        actual[name].append(path)
    return actual


def test_images_come_class_by_class(members: dict[str, list[Path]]) -> None:
    images = images_of(members, ("dog", "cat"), None)
    assert images.classes == ("dog", "cat")
    assert images.labels.tolist() == [0, 1, 1]
    assert images.labels.dtype == np.int64
    assert len(images) == 3
    red = images.at(2).read([2, 0])
    assert red.dtype == torch.uint8
    assert red[:, 0, 0, 0].tolist() == [100, 50]


def test_a_class_without_an_image_is_still_a_class(members: dict[str, list[Path]]) -> None:
    assert images_of({**members, "emu": []}, ("emu", "dog"), None).labels.tolist() == [1]


def test_identity_is_content_labels_names_and_fit_but_not_side_or_path(
    members: dict[str, list[Path]], tmp_path: Path
) -> None:
    images = images_of(members, ("cat", "dog"), None)
    moved = {name: [file.rename(tmp_path / f"moved-{file.name}") for file in files] for name, files in members.items()}
    again = images_of(moved, ("cat", "dog"), None)
    expected = again.sha256
    assert again.at(8).sha256 == expected
    assert images_of(moved, ("dog", "cat"), None).sha256 != expected
    assert images_of(moved, ("cat", "dog"), None, "centre").sha256 != expected
    Image.new("RGB", (6, 4), (1, 1, 1)).save(moved["dog"][0])
    assert images_of(moved, ("cat", "dog"), None).sha256 != expected
    assert isinstance(images, FileImages)


def test_images_of_any_side_are_read_at_the_side_of_the_backbone(members: dict[str, list[Path]]) -> None:
    class Fixed:
        pass

    assert fitted(images_of(members, ("cat",), None), 5).read([0]).shape == (1, 3, 5, 5)
    fixed = Fixed()
    assert fitted(fixed, 5) is fixed  # type: ignore[arg-type, comparison-overlap]


def test_a_file_is_hashed_once(members: dict[str, list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, cache = members["cat"], tmp_path / "memory" / "hashes.json"
    first = content_hashes(files, cache)
    assert first == [file_sha256(file) for file in files]
    monkeypatch.setattr(checksums, "file_sha256", lambda path: pytest.fail(f"{path} is hashed again"))
    assert content_hashes(files, cache) == first


def test_a_changed_file_is_hashed_again(members: dict[str, list[Path]], tmp_path: Path) -> None:
    (file,) = members["dog"]
    before = content_hashes([file], tmp_path / "hashes.json")
    stat = file.stat()
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert content_hashes([file], tmp_path / "hashes.json") == [file_sha256(file)] != before


@pytest.mark.parametrize("content", ["", "[]", "{", '{"x": 1}', '{"x": [1, 2, 3]}', "[" * 10_000])
def test_a_damaged_cache_of_hashes_is_ignored(members: dict[str, list[Path]], tmp_path: Path, content: str) -> None:
    cache = tmp_path / "hashes.json"
    cache.write_text(content)
    assert content_hashes(members["dog"], cache) == [file_sha256(members["dog"][0])]
    assert len(json.loads(cache.read_text())[1]) == 1


def test_files_are_hashed_even_if_the_folder_of_the_cache_cannot_be_written(
    members: dict[str, list[Path]], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    assert len(content_hashes(members["dog"], tmp_path / "file" / "hashes.json")) == 1


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.png cannot be read \(No such file or directory\)"):
        content_hashes([tmp_path / "gone.png"], None)


def test_a_publishers_checksum_is_md5(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert checksum(tmp_path / "x") == "900150983cd24fb0d6963f7d28e17f72"


@pytest.mark.parametrize("other", ["0", "NaN", "1e999"])
def test_a_cache_of_hashes_with_a_changed_digit_is_ignored(
    members: dict[str, list[Path]], tmp_path: Path, other: str
) -> None:
    cache, file = tmp_path / "hashes.json", members["dog"][0]
    (true,) = content_hashes([file], cache)
    size = f"[{file.stat().st_size},"
    changed = cache.read_text().replace(size, f"[{other},") if other != "0" else _turned(cache.read_text(), true)
    assert changed != cache.read_text()
    cache.write_text(changed)
    assert content_hashes([file], cache) == [true]


def _turned(text: str, sha256: str) -> str:
    """Change the last digit of a hash in a text."""
    return text.replace(sha256, sha256[:-1] + ("0" if sha256[-1] != "0" else "1"))


def test_an_unreadable_image_is_black_and_listed_where_images_are_skipped(members: dict[str, list[Path]]) -> None:
    strict = images_of(members, tuple(members), None).at(4)
    strict.files[1].write_bytes(b"")
    with pytest.raises(DataError, match="it is empty"):
        strict.read([0, 1])
    skipping = replace(strict, skipped={})
    pixels = skipping.read([1, 0])
    assert skipping.skipped == {
        1: f"{strict.files[1]} cannot be read as a picture (it is empty). Remove or replace it."
    }
    assert not pixels[0].any()
    assert torch.equal(pixels[1:], strict.read([0]))


def test_upright_images_have_an_identity_of_their_own(members: dict[str, list[Path]]) -> None:
    images = images_of(members, tuple(members), None)
    assert replace(images, upright=True).sha256 != images.sha256
