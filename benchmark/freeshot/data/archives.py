"""Safe unpacking of third-party archives: all members are checked before the first byte is written.

`tarfile` and `zipfile` write the files. Members that are absolute, contain '..', are links, devices or sparse, or
together exceed a size limit are refused first, and so are archives that these modules would unpack in part.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from filelock import FileLock

from freeshot.basics.errors import DataError, StoreError
from freeshot.basics.files import publish_folder

LARGEST = 128 * 2**30
"""Maximal unpacked size in bytes; the largest archive used, a part of ChestX-ray14, has 4 GiB."""
MOST = 2_000_000
BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    LookupError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""Exceptions of the readers on invalid archives; zipfile raises RuntimeError if a password is needed."""


@dataclass(frozen=True)
class Member:
    """A file or folder in an archive."""

    name: str
    size: int
    why_refused: str
    """What kind of member it is, if neither file nor folder."""
    extract: Callable[[Path], object]


def unpack(archive: Path, folder: Path, largest: int = LARGEST) -> Path:
    """Unpack an archive into a folder atomically; DataError names the member that is refused."""
    try:
        with _opened(archive, largest) as members:
            _require_safe(archive, members, largest)
            _publish(members, folder)
    except BROKEN as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"The archive {archive} cannot be unpacked ({reason}). Download it again.") from None
    return folder


def _publish(members: list[Member], folder: Path) -> None:
    """Write all members under a lock, which the operating system releases if the process is killed."""
    unfinished = f".{folder.name}.unpacking-"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if folder.is_dir():  # another process has unpacked it meanwhile
                return
            for path in folder.parent.iterdir():
                if path.name.startswith(unfinished):  # of a killed process
                    shutil.rmtree(path)
            with publish_folder(folder, unfinished) as fresh:
                for member in members:
                    _extract(member, fresh)
    except (OSError, NotImplementedError) as error:  # the latter on file systems without locks
        reason = getattr(error, "strerror", None) or error
        raise StoreError(f"{folder} could not be written ({reason}). Fix and rerun.") from None


def _extract(member: Member, folder: Path) -> None:
    """Write a member; ValueError if it is broken, OSError if the disk refuses it."""
    try:
        member.extract(folder)
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno is not None:  # decompressors raise OSError without a number
            raise
        raise ValueError(f"the member {member.name!r} is broken: {error}") from None


@contextmanager
def _opened(archive: Path, largest: int) -> Iterator[list[Member]]:
    """Open an archive and list its members, with '/' as the only separator."""
    if archive.name.lower().endswith(".zip"):
        with zipfile.ZipFile(archive) as opened:
            infos = opened.infolist()
            if any(b"PK\x01\x02" in info.extra + info.comment for info in infos):  # it includes the next one's record
                raise ValueError("its list of members is corrupt")
            yield [_zip_member(opened, info) for info in infos]
    else:
        with _decompressed(archive) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            yield [_tar_member(tar, entry) for entry in _listed(tar, stream, largest)]


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    def extract(folder: Path) -> None:
        archive.open(info).close()  # compares its names in the list and in front of the data, for folders as well
        archive.extract(info, folder)

    info.filename = info.filename.replace("\\", "/")
    kind = info.external_attr >> 16 & 0o170000  # the Unix file type, if the archive was made on Unix
    odd = "" if kind in (0, 0o100000, 0o040000) else "a link" if kind == 0o120000 else "a device"
    return Member(info.filename, info.file_size, odd, extract)


def _tar_member(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> Member:
    entry.name = entry.name.replace("\\", "/")
    odd = "" if entry.isfile() or entry.isdir() else "a link" if entry.issym() or entry.islnk() else "a device"
    if entry.issparse():  # it may write more than its size
        odd = "a sparse file"
    # without the archive's times, because files are recognised by size and time (hash_cache)
    extract = partial(archive.extract, entry, set_attrs=False, filter="data")
    return Member(entry.name, entry.size, odd, extract)


@contextmanager
def _decompressed(archive: Path) -> Iterator[Any]:
    """Open the decompressed tar stream; the compression is detected from the first bytes."""
    with archive.open("rb") as file:
        magic = file.read(6)
    openers: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
    opener = next((opener for start, opener in openers.items() if magic.startswith(start)), open)
    with opener(archive, "rb") as stream:
        yield _Bounded(stream)


class _Bounded:
    """A stream with bounded reads, because a tar header may claim a gigabyte for a file name."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.last = b""
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int) -> bytes:
        """Read `size` bytes; ValueError if that is more than any header needs."""
        if not 0 <= size <= 1 << 26:
            raise ValueError("corrupt archive header")
        self.last = self._stream.read(size)
        return self.last


def _listed(tar: tarfile.TarFile, stream: _Bounded, largest: int) -> list[tarfile.TarInfo]:
    """List members until there are more than allowed, because listing a compressed tar decompresses all of it."""
    entries, total = [], 0
    for entry in tar:
        if entry.size < 0:
            raise ValueError(f"the member {entry.name!r} is corrupt")
        entries.append(entry)
        total += entry.size
        if len(entries) > MOST or total > largest:
            return entries
    _require_end(stream, largest)
    return entries


def _require_end(stream: _Bounded, largest: int) -> None:
    """Require that a tar ends in zeros, because tarfile silently stops at truncated or corrupt headers."""
    if stream.last != bytes(tarfile.BLOCKSIZE):
        raise ValueError("it is truncated or corrupt")
    padding = 0
    while block := stream.read(1 << 20):  # to the very end, where compressors put a checksum
        padding += len(block)
        if block.count(0) < len(block) or padding > largest:
            raise ValueError("it has data after its end")


def _require_safe(archive: Path, members: list[Member], largest: int) -> None:
    if not members:
        raise DataError(f"The archive {archive} is empty. Download it again.")
    if len(members) > MOST:
        raise DataError(f"The archive {archive} has more than {MOST:,} members. Unpack it yourself if you trust it.")
    for member in members:
        path = PurePosixPath(member.name)
        reason = member.why_refused
        if path.is_absolute() or (path.parts and ":" in path.parts[0]):
            reason = reason or "absolute"
        elif ".." in path.parts or "\0" in member.name:
            reason = reason or "outside of its folder"
        if reason:
            raise DataError(
                f"The archive {archive} was not unpacked: its member {member.name!r} is {reason}. "
                "Download it again from its publisher."
            )
    total = sum(member.size for member in members)
    if total > largest:
        raise DataError(
            f"The archive {archive} would unpack to {total:,} bytes, more than the {largest:,} that are allowed. "
            "Unpack it yourself if you trust it."
        )
