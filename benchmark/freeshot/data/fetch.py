"""Download files, resuming where an interrupted download stopped; nothing is opened before its checksum is compared."""

from __future__ import annotations

import errno
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import TypeAlias

from freeshot.basics.errors import DataError
from freeshot.basics.files import require_writable
from freeshot.contracts.dataset import RemoteFile
from freeshot.data.hash_cache import checksum

Report: TypeAlias = Callable[[int, int], None]
"""Called with the bytes so far and in total."""

BLOCK = 2**20
AGAIN = "Check the connection and repeat the command; it resumes where it stopped."


def get_files(files: Sequence[RemoteFile], folder: Path, on_bytes: Callable[[RemoteFile, int, int], None]) -> None:
    """Download the files that are missing in a folder and compare their checksums, before they get their names.

    StoreError if the folder cannot be written; DataError names what else failed: no connection, another checksum, a
    full disk.
    """
    require_writable(folder, "--data")
    with full_disk_named(folder):
        for file in files:
            target = folder / file.name
            if target.exists():
                continue
            unverified = target.with_name(f"{target.name}.unverified")
            download(file.address, unverified, partial(on_bytes, file))
            if file.md5 and (actual := checksum(unverified)) != file.md5:
                unverified.unlink()
                raise DataError(
                    f"The MD5 of {file.address} is {actual} instead of {file.md5}, so it was deleted unopened. Repeat "
                    "the command; if this happens again, the publisher has changed the file."
                )
            unverified.replace(target)


@contextmanager
def full_disk_named(folder: Path) -> Iterator[None]:
    """Raise DataError instead of the operating system's error if the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise DataError(f"The disk is full: {folder} cannot be written. Free some space and rerun.") from None


def download(address: str, path: Path, report: Report) -> None:
    """Download a file to `path`, resuming `path.part`; DataError if that is impossible."""
    if path.exists():
        return
    unfinished = path.with_name(f"{path.name}.part")
    begun = unfinished.stat().st_size if unfinished.exists() else 0
    request = urllib.request.Request(address, headers={"Range": f"bytes={begun}-"} if begun else {})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - addresses are declared in plugins
            expected = _append(response, unfinished, begun if response.status == 206 else 0, report)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 416 or not begun:  # 416: nothing is left to send
            raise DataError(f"{address} could not be fetched (HTTP {error.code}). {AGAIN}") from None
        expected = begun
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        raise DataError(f"{address} could not be fetched ({getattr(error, 'reason', error)}). {AGAIN}") from None
    if (size := unfinished.stat().st_size) < expected:
        raise DataError(f"{address} was interrupted after {size:,} of {expected:,} bytes. {AGAIN}")
    unfinished.replace(path)


def _append(response: HTTPResponse, unfinished: Path, begun: int, report: Report) -> int:
    """Write a response after the first `begun` bytes of a file; return the size that the complete file should have."""
    expected = begun + int(response.headers.get("Content-Length") or 0)
    with unfinished.open("ab" if begun else "wb") as file:
        while block := response.read(BLOCK):
            file.write(block)
            report(file.tell(), expected)
    return expected
