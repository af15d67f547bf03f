"""Files are downloaded once, resumed where they stopped, and get their name when their checksum is right."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from tests.file_server import CONTENT, served

from freeshot.basics.errors import DataError, StoreError
from freeshot.contracts.dataset import RemoteFile
from freeshot.data import fetch
from freeshot.data.fetch import download, get_files
from freeshot_vision.datasets import DATASETS
from freeshot_vision.datasets.published_dataset import PublishedDataset

MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


def silent(*_: object) -> None:
    pass


def test_an_interrupted_download_resumes_where_it_stopped(tmp_path: Path) -> None:
    interrupted = pytest.raises(DataError, match=r"was interrupted|could not be fetched")
    with served(most=300_000) as (address, _), interrupted:
        download(address, tmp_path / "w.bin", silent)
    begun = (tmp_path / "w.bin.part").stat().st_size
    assert 0 < begun <= 300_000
    with served() as (address, ranges):
        download(address, tmp_path / "w.bin", silent)
    assert ranges == [f"bytes={begun}-"]
    assert (tmp_path / "w.bin").read_bytes() == CONTENT


def test_a_complete_partial_file_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "w.bin.part").write_bytes(CONTENT)
    with served() as (address, _):
        download(address, tmp_path / "w.bin", silent)
    assert (tmp_path / "w.bin").read_bytes() == CONTENT


def test_a_missing_file_and_a_missing_server_are_errors(tmp_path: Path) -> None:
    gone = pytest.raises(DataError, match=r"/gone could not be fetched \(HTTP 404\)\. Check the connection")
    with served() as (address, _), gone:
        download(address.replace("w.bin", "gone"), tmp_path / "w.bin", silent)
    with pytest.raises(DataError, match=r"w\.bin could not be fetched \(.*refused.*\)\. Check the connection"):
        download(address, tmp_path / "w.bin", silent)


def test_a_file_gets_its_name_when_its_checksum_is_right(tmp_path: Path) -> None:
    sizes: list[int] = []
    with served() as (address, _):
        get_files([RemoteFile(address, "w.bin", MD5)], tmp_path, lambda _, done, total: sizes.append(done))
    assert [file.name for file in tmp_path.iterdir()] == ["w.bin"]
    assert (tmp_path / "w.bin").read_bytes() == CONTENT
    assert sizes[-1] == len(CONTENT)


def test_an_existing_file_is_not_downloaded_again(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_text("mine")
    with served() as (address, ranges):
        get_files([RemoteFile(address, "w.bin", MD5)], tmp_path, silent)
    assert ranges == []
    assert (tmp_path / "w.bin").read_text() == "mine"


def test_another_checksum_is_refused_and_the_file_deleted(tmp_path: Path) -> None:
    refused = pytest.raises(
        DataError, match=rf"is {MD5} instead of 0+, so it was deleted unopened\. Repeat the command"
    )
    with served() as (address, _), refused:
        get_files([RemoteFile(address, "w.bin", "0" * 32)], tmp_path, silent)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetch, "download", full)
    with pytest.raises(DataError, match=r"^The disk is full: .* cannot be written\. Free some space and rerun\.$"):
        get_files([RemoteFile("http://127.0.0.1/w.bin", "w.bin")], tmp_path, silent)


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/x cannot be written"):
        get_files([RemoteFile("http://127.0.0.1/w.bin", "w.bin")], tmp_path / "file" / "x", silent)


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_published_files_have_an_address_and_a_name_that_is_read(dataset: type[PublishedDataset]) -> None:
    archives = {name for download in dataset.downloads for name in download.archives}
    for file in dataset().remote_files():
        assert file.address.startswith("https://")
        assert file.name in archives
