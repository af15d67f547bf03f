"""Safe unpacking of third-party archives: all members are checked before the first byte is written.

Members that are absolute, contain '..', are links or devices, or together exceed a size limit are refused.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import tarfile
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from freeshot.basics.errors import DataError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
LARGEST = 128 * 2**30
"""Maximal unpacked size in bytes; the largest archive used, a part of ChestX-ray14, has 4 GiB."""
MOST = 2_000_000
"""Maximal number of members."""
BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    UnicodeError,
    ValueError,
)
"""Exceptions of the readers on invalid archives; zipfile raises RuntimeError if a password is needed."""


@dataclass(frozen=True)
class Member:
    """A file or folder in an archive."""

    name: str
    size: int
    is_folder: bool
    why_refused: str = ""
    """What kind of member it is, if neither file nor folder."""


def unpack(archive: Path, folder: Path, largest: int = LARGEST) -> Path:
    """Unpack an archive into a folder atomically; DataError names the member that is refused."""
    with _opened(archive, largest) as (members, open_member):
        _require_safe(archive, members, largest)
        with _alone(folder):
            if not folder.is_dir():  # else another process has unpacked it meanwhile
                _fill(folder, members, open_member)
    return folder


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lock the folder against other processes; the operating system releases the lock of a killed process."""
    from filelock import FileLock

    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except (OSError, NotImplementedError) as error:  # the latter on file systems without locks
        raise _not_written(folder, error) from None
    try:
        yield
    finally:
        lock.release()


def _fill(folder: Path, members: list[Member], open_member: Callable[[int], IO[bytes] | None]) -> None:
    """Write all members to a temporary folder, then rename it."""
    fresh = folder.with_name(f".{folder.name}.unpacking")  # a fixed name, so that killed processes leave at most one
    try:
        if fresh.exists():
            shutil.rmtree(fresh)
        fresh.mkdir()
        for number, entry in enumerate(members):
            _write(entry, fresh, open_member, number)
        fresh.replace(folder)
    except OSError as error:
        raise _not_written(folder, error) from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _not_written(folder: Path, error: Exception) -> StoreError:
    return StoreError(f"{folder} could not be written ({getattr(error, 'strerror', None) or error}). Fix and rerun.")


@contextmanager
def _opened(archive: Path, largest: int) -> Iterator[tuple[list[Member], Callable[[int], IO[bytes] | None]]]:
    """List an archive's members and yield them with a function that opens each; any error becomes a DataError."""
    try:
        if archive.name.lower().endswith(".zip"):
            with zipfile.ZipFile(archive) as opened:
                infos = _listed_in_zip(opened)
                yield [_zip_member(info) for info in infos], lambda number: opened.open(infos[number])
        else:
            with _decompressed(archive) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
                entries = _listed(tar, stream, largest)
                yield [_tar_member(entry) for entry in entries], lambda number: tar.extractfile(entries[number])
    except BROKEN as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"The archive {archive} cannot be unpacked ({reason}). Download it again.") from None


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
        """The bytes of the last read."""
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


def _listed_in_zip(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """List members; ValueError if the record of one includes the next because of a wrong length."""
    infos = archive.infolist()
    if any(b"PK\x01\x02" in info.extra + info.comment for info in infos):
        raise ValueError("its list of members is corrupt")
    return infos


def _zip_member(info: zipfile.ZipInfo) -> Member:
    kind = info.external_attr >> 16 & 0o170000  # the Unix file type, if the archive was made on Unix
    odd = "" if kind in (0, 0o100000, 0o040000) else "a link" if kind == 0o120000 else "a device"
    return Member(info.filename, info.file_size, info.is_dir(), odd)


def _tar_member(entry: tarfile.TarInfo) -> Member:
    odd = "" if entry.isfile() or entry.isdir() else "a link" if entry.issym() or entry.islnk() else "a device"
    return Member(entry.name, entry.size, entry.isdir(), odd)


def _require_safe(archive: Path, members: list[Member], largest: int) -> None:
    if not members:
        raise DataError(f"The archive {archive} is empty. Download it again.")
    if len(members) > MOST:
        raise DataError(f"The archive {archive} has more than {MOST:,} members. Unpack it yourself if you trust it.")
    for entry in members:
        reason = entry.why_refused or _why_unsafe(entry.name)
        if reason:
            raise DataError(
                f"The archive {archive} was not unpacked: its member {entry.name!r} is {reason}. "
                "Download it again from its publisher."
            )
    total = sum(entry.size for entry in members)
    if total > largest:
        raise DataError(
            f"The archive {archive} would unpack to {total:,} bytes, more than the {largest:,} that are allowed. "
            "Unpack it yourself if you trust it."
        )


def _why_unsafe(name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or (path.parts and ":" in path.parts[0]):
        return "absolute"
    return "outside of its folder" if ".." in path.parts or "\0" in name else ""


def _write(entry: Member, folder: Path, open_member: Callable[[int], IO[bytes] | None], number: int) -> None:
    target = folder / PurePosixPath(entry.name.replace("\\", "/"))
    content = _Content(entry, open_member, number)  # for folders too: opening compares both names in a zip
    try:
        if entry.is_folder:
            target.mkdir(parents=True, exist_ok=True)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            while block := content.read(1 << 20):
                file.write(block)
    except OSError as error:
        raise StoreError(f"{target.name} could not be unpacked ({error.strerror}). Fix this and rerun.") from None


class _Content:
    """A member's content, limited to the length in its header; read errors become ValueError, not OSError."""

    def __init__(self, entry: Member, open_member: Callable[[int], IO[bytes] | None], number: int) -> None:
        self._entry, self._left = entry, entry.size
        with _broken_as_value(entry):
            self._source = open_member(number)

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes; ValueError past the declared length."""
        with _broken_as_value(self._entry):
            block = b"" if self._source is None else self._source.read(size)
        self._left -= len(block)
        if self._left < 0:
            raise ValueError(f"the member {self._entry.name!r} is longer than its header declares")
        return block


@contextmanager
def _broken_as_value(entry: Member) -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        raise ValueError(f"the member {entry.name!r} is broken: {error}") from None
