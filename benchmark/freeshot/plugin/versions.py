"""Which code a plugin is: its version and, where one version can stand for many states, a hash of its sources.

What an index ships under a version stays what it is. What was installed from a folder or a repository (`pip install
-e ./mine`) changes under the same version with every edit; then images kept from yesterday's code would be taken for
those of today's, and records of two states could not be told apart.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

OURS = "freeshot"
"""The distribution of first-party plugins; its records name the commit, and not each edit makes its images new."""


def exact_version(point: EntryPoint) -> str:
    """Return '0.3' where an index ships it, '0.3+1a2b3c4d' where it comes from a folder or a repository.

    The module of the entry point is imported already; its sources are those beside it, or that one file where it stands
    alone. The part after the plus is a local version label as PEP 440 has it.
    """
    assert point.dist is not None
    plain = point.dist.version
    if point.dist.metadata["Name"] == OURS or point.dist.read_text("direct_url.json") is None:  # PEP 610
        return plain
    sources = _sources(point.module)
    return f"{plain}{'.' if '+' in plain else '+'}{_hash(sources)}" if sources else plain


def _sources(module: str) -> dict[str, Path]:
    """Find the Python files of a module's package, or its own; none where it was not loaded from files."""
    file = Path(sys.modules[module].__file__ or "")
    if not file.is_file():
        return {}
    alone = "." not in module and file.name != "__init__.py"
    files = [file] if alone else sorted(file.parent.rglob("*.py"))
    return {source.relative_to(file.parent).as_posix(): source for source in files}


def _hash(sources: dict[str, Path]) -> str:
    """Hash files by name and content; the same wherever they lie."""
    digest = hashlib.sha256()
    for name, path in sources.items():
        digest.update(f"{name}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:8]
