"""File helpers: atomic writes, hashes, canonical JSON."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor


PIECE = re.compile(r"(?!\.)[^\x00-\x1f\x7f/\\:]+")
"""A valid single file or folder name, without path separators or control characters."""

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_json(value: Any) -> str:
    """Serialise a value as canonical JSON: sorted keys, no spaces, no NaN."""
    return _CANONICAL.encode(value)


def fingerprint(value: Any, length: int = 16) -> str:
    """Hash a JSON value, independent of key order, to `length` hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:length]


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_bounded(path: Path, largest: int) -> None:
    """Require a regular file (a pipe may never end) of at most `largest` bytes; OSError otherwise."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError("it is not a regular file")
    if status.st_size > largest:
        raise OSError(f"it has {status.st_size:,} bytes, and at most {largest:,} are read")


def read_bounded(path: Path, largest: int) -> bytes:
    """Read a regular file of at most `largest` bytes; OSError otherwise."""
    require_bounded(path, largest)
    return path.read_bytes()


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path` that replaces it only if the block succeeds.

    StoreError if the folder cannot be written or the disk is full; the old file then remains unchanged.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise StoreError(_why_not_written(path, error)) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()


@contextmanager
def publish_folder(path: Path, prefix: str = ".writing-") -> Iterator[Path]:
    """Yield a temporary folder next to `path` that replaces it only if the block succeeds; OSError if it cannot.

    If another process publishes the same folder at the same moment, either of the two remains. The name of the
    temporary folder begins with `prefix`, by which folders of killed processes can be found.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=prefix))
    try:
        yield temporary
        temporary.chmod(0o755)
        shutil.rmtree(path, ignore_errors=True)
        try:
            temporary.replace(path)
        except OSError:
            if not path.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def require_writable(folder: Path, option: str) -> None:
    """Require that files can be created in a folder; StoreError names the option that selects another folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise StoreError(f"{folder} cannot be written ({error.strerror}). Choose another {option}.") from None


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, str] | None = None) -> None:
    """Write a safetensors file; OSError if the operating system refuses, as for any other file."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file(
            {name: tensor.contiguous().cpu() for name, tensor in tensors.items()},
            path,
            None if facts is None else dict(facts),
        )
    except SafetensorError as error:  # it wraps the OS error as text only: 'I/O error: … (os error 28)'
        number = re.search(r"os error (\d+)", str(error))
        code = int(number[1]) if number else errno.EIO
        raise OSError(code, os.strerror(code)) from error


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Hash tensors by name, shape, dtype and bytes."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name}{list(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _why_not_written(path: Path, error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return f"The disk is full: {path} could not be written. Free some space and rerun; finished work is kept."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"The folder {path.parent} cannot be written. Choose another with --results or --cache."
    return f"The file {path} could not be written ({error.strerror}). Fix this and rerun; finished work is kept."
