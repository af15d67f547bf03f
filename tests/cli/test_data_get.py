"""`freeshot data get` downloads a data set that its publisher offers, and names the files of others."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from tests.file_server import CONTENT, served

if TYPE_CHECKING:
    from tests.cli.conftest import Call

MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
REMOTE = '''
"""A data set of one file of bytes, 100 images of each of 20 classes."""
from dataclasses import dataclass
import numpy as np, torch
from freeshot import FewShotDataset, RemoteFile, hookimpl
from freeshot_vision.array_images import array_images

@dataclass(frozen=True)
class Remote(FewShotDataset):
    """Bytes as images."""
    name, domain, license = "remote", "bytes", "CC0"
    def remote_files(self):
        return [RemoteFile("{address}", "w.bin", "{md5}")]
    def is_available(self, root):
        return (root / "remote" / "w.bin").is_file()
    def load(self, split, root):
        values = np.frombuffer((root / "remote" / "w.bin").read_bytes(), np.uint8)[:1200]
        return array_images(list(values.reshape(5, 5, 3, 4, 4)), tuple("abcde"))

@hookimpl
def freeshot_datasets():
    return [Remote]
'''


def test_a_data_set_is_downloaded_and_counted(call: Call, tmp_path: Path) -> None:
    with served() as (address, _):
        plugin = tmp_path / "remote.py"
        plugin.write_text(REMOTE.format(address=address, md5=MD5))
        arguments = ("--plugin", str(plugin), "data", "get", "remote", "--data", str(tmp_path / "data"))
        done = call(*arguments, plugins="toy")
        again = call(*arguments, plugins="toy")
    assert done.exit_code == 0, done.output
    assert f"remote: {address}. Licence: CC0." in done.stdout
    assert "novel" in done.stdout
    assert "Licence" not in again.stdout  # nothing was downloaded
    assert "novel" in again.stdout


def test_for_a_data_set_without_a_download_the_files_to_provide_are_named(call: Call, tmp_path: Path) -> None:
    done = call("data", "get", "mini-imagenet", "--data", str(tmp_path), plugins="vision")
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: 'mini-imagenet' cannot be downloaded by this command. ")
    assert f"was not found in {tmp_path}/mini-imagenet. Put " in done.stderr


def test_an_embedded_data_set_is_only_counted(call: Call, tmp_path: Path) -> None:
    done = call("data", "get", "sketch", "--data", str(tmp_path), plugins="vision")
    assert done.exit_code == 0, done.output
    assert "novel" in done.stdout
