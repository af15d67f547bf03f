"""Files are written whole or not at all, and JSON has one canonical form."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import SafetensorError

from freeshot.basics.errors import StoreError
from freeshot.basics.files import (
    atomic_path,
    canonical_json,
    file_sha256,
    fingerprint,
    publish_folder,
    read_bounded,
    tensors_sha256,
    write_tensors,
    write_text,
)

KEYS = st.text(max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | KEYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=10,
)


def reversed_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return [reversed_keys(item) for item in value] if isinstance(value, list) else value


@given(VALUES)
def test_the_order_of_keys_changes_neither_json_nor_fingerprint(value: Any) -> None:
    assert canonical_json(reversed_keys(value)) == canonical_json(value)
    assert fingerprint(reversed_keys(value)) == fingerprint(value)


@given(VALUES)
def test_canonical_json_round_trips(value: Any) -> None:
    assert json.loads(canonical_json(value)) == value


def test_canonical_json_has_sorted_keys_no_spaces_and_plain_letters() -> None:
    assert canonical_json({"b": [1, 2.5, None], "a": "×"}) == '{"a":"×","b":[1,2.5,null]}'


def test_canonical_json_refuses_nan() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))


def test_a_fingerprint_is_stable_and_of_the_requested_length() -> None:
    assert fingerprint({"a": 1}) == hashlib.sha256(b'{"a":1}').hexdigest()[:16]
    assert len(fingerprint({"a": 1}, 40)) == 40


def test_a_files_hash_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert file_sha256(tmp_path / "x") == hashlib.sha256(b"abc").hexdigest()


def test_missing_folders_are_made(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b.txt", "Größe")
    assert (tmp_path / "a" / "b.txt").read_bytes() == "Größe".encode()


def test_a_written_file_can_be_read_by_others(tmp_path: Path) -> None:
    write_text(tmp_path / "b.txt", "text")
    assert (tmp_path / "b.txt").stat().st_mode & 0o777 == 0o644


def test_a_failing_block_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "kept.txt"
    write_text(file, "old")
    with pytest.raises(TypeError), atomic_path(file) as temporary:
        temporary.write_text(5)  # type: ignore[arg-type]
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_failing_first_write_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(KeyError), atomic_path(tmp_path / "new.txt"):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_the_temporary_file_is_in_the_same_folder_and_keeps_the_suffix(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "x.safetensors") as temporary:
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".safetensors")
        assert not (tmp_path / "x.safetensors").exists()
    assert (tmp_path / "x.safetensors").exists()


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_read_only_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    with pytest.raises(StoreError) as caught:
        write_text(tmp_path / "x.txt", "text")
    assert str(caught.value) == f"The folder {tmp_path} cannot be written. Choose another with --results or --cache."


def test_a_full_disk_is_reported_and_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "x.txt"
    write_text(file, "old")
    with pytest.raises(StoreError) as caught, atomic_path(file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert str(caught.value) == (
        f"The disk is full: {file} could not be written. Free some space and rerun; finished work is kept."
    )
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_any_other_failure_is_reported_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError) as caught:
        write_text(tmp_path / "file" / "x.txt", "text")
    assert str(caught.value) == (
        f"The file {tmp_path / 'file' / 'x.txt'} could not be written ({os.strerror(errno.EEXIST)}). "
        "Fix this and rerun; finished work is kept."
    )


def test_a_folder_replaces_the_old_one_whole(tmp_path: Path) -> None:
    (tmp_path / "deep" / "x").mkdir(parents=True)
    (tmp_path / "deep" / "x" / "old").touch()
    with publish_folder(tmp_path / "deep" / "x") as fresh:
        assert fresh.name.startswith(".writing-")
        (fresh / "new").touch()
        assert [path.name for path in (tmp_path / "deep" / "x").iterdir()] == ["old"]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["x"]
    assert [path.name for path in (tmp_path / "deep" / "x").iterdir()] == ["new"]
    assert (tmp_path / "deep" / "x").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failing_block_publishes_no_folder(tmp_path: Path, error: BaseException) -> None:
    def write_half() -> None:
        with publish_folder(tmp_path / "x", ".mine-") as fresh:
            (fresh / "half").touch()
            raise error

    with pytest.raises(type(error)):
        write_half()
    assert list(tmp_path.iterdir()) == []


def test_publishing_a_folder_over_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(OSError, match="Not a directory"), publish_folder(tmp_path / "x"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_failure_to_write_tensors_is_an_os_error_as_for_any_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: object) -> None:
        raise SafetensorError(f"Error while serializing: I/O error: {os.strerror(code)} (os error {code})")

    monkeypatch.setattr(safetensors.torch, "save_file", refuse)
    with pytest.raises(OSError, match=os.strerror(code)) as caught:
        write_tensors(tmp_path / "x", {"x": torch.ones(1)})
    assert caught.value.errno == code


@pytest.mark.parametrize(
    "other",
    [
        {"y": torch.arange(6.0).view(2, 3)},
        {"x": torch.arange(6.0)},
        {"x": torch.arange(6.0).view(2, 3) + 1e-7},
        {"x": torch.arange(6).view(2, 3)},
        {"x": torch.arange(6.0).view(2, 3), "y": torch.ones(())},
    ],
)
def test_a_hash_of_tensors_covers_names_shapes_types_and_bits(other: dict[str, torch.Tensor]) -> None:
    tensors = {"x": torch.arange(6.0).view(2, 3)}
    assert tensors_sha256(tensors) == tensors_sha256({"x": tensors["x"].T.contiguous().T}) != tensors_sha256(other)


def test_a_file_is_read_up_to_a_size(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert read_bounded(tmp_path / "x", 3) == b"abc"
    with pytest.raises(OSError, match=r"^it has 3 bytes, and at most 2 are read$"):
        read_bounded(tmp_path / "x", 2)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_pipes_folders_and_devices_are_not_read(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "x")
    with pytest.raises(OSError, match=r"^it is not a regular file$"):
        read_bounded(tmp_path / "x", 2**20)
