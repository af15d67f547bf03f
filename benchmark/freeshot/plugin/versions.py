"""The identity of a plugin's code: its version and, for local installations, a hash of its sources.

The code of a version on a package index never changes. A plugin installed from a folder or a repository (`pip install
-e ./mine`) changes under the same version with every edit; without a hash, cached surrogates of older code would be
reused, and records of two states could not be distinguished.
"""

from __future__ import annotations

import hashlib
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

OURS = "freeshot"
"""The distribution of first-party plugins; its records have the commit, and edits keep its cached artifacts."""


def exact_version(point: EntryPoint) -> str:
    """Return '0.3' for a version from an index, '0.3+1a2b3c4d' for a folder or a repository.

    The entry point's module must be imported; its sources are its package, or that one file if it is not in a package.
    The part after the plus is a local version label (PEP 440).
    """
    assert point.dist is not None
    plain = point.dist.version
    if point.dist.metadata["Name"] == OURS or point.dist.read_text("direct_url.json") is None:  # PEP 610
        return plain
    sources = _sources(point.module)
    if not sources:
        return plain
    digest = hashlib.sha256()
    for name, path in sources.items():
        digest.update(f"{name}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return f"{plain}{'.' if '+' in plain else '+'}{digest.hexdigest()[:8]}"


def _sources(module: str) -> dict[str, Path]:
    """Find the Python files of a module's package, or its own; empty if it was not loaded from files."""
    file = Path(sys.modules[module].__file__ or "")
    if not file.is_file():
        return {}
    alone = "." not in module and file.name != "__init__.py"
    files = [file] if alone else sorted(file.parent.rglob("*.py"))
    return {source.relative_to(file.parent).as_posix(): source for source in files}
