"""Stack frames of an exception, and which of them belong to a plugin."""

from __future__ import annotations

import linecache
import re
import sysconfig
import traceback
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path
from types import FrameType

FIRST_PARTY = "freeshot_"
"""Packages with this prefix are plugins wherever they are installed; `freeshot plugin new` uses it."""
INSTALLED = ("site-packages", "dist-packages")
"""Names of pip's installation folders."""
REMOTE_START = "Traceback (most recent call last):"
REMOTE_FRAME = re.compile(
    r'^  File "(?P<file>.+)", line (?P<line>\d+), in (?P<function>.+)\n(?: {4}(?P<source>.*))?', re.MULTILINE
)


@dataclass(frozen=True)
class Frame:
    """One stack frame of an exception."""

    file: str
    line: int
    function: str
    source: str = ""
    module: str = ""
    """Dotted module name; empty if only the text of a traceback is available."""

    @property
    def short(self) -> str:
        """The file without machine-specific folders: 'mine.py', 'freeshot_lora_recycle/method.py'."""
        path = Path(self.file)
        depth = self.module.count(".") + (path.name == "__init__.py")
        return "/".join(path.parts[-depth - 1 :])


def frames_of(error: BaseException) -> tuple[Frame, ...]:
    """List the frames of an exception, outermost first, followed by those of a worker process if it came from one."""
    local = [_frame(frame, line or 0) for frame, line in traceback.walk_tb(error.__traceback__)]
    frames = [*local, *_remote(error.__cause__)]
    return tuple(frame for frame, _ in groupby(frames))  # a comprehension has its own frame on the same line


def is_plugin_file(file: str, packages: Collection[str] = ()) -> bool:
    """Return whether a file belongs to a plugin: not to FreeShot, Python or another installed package.

    `packages` are the top-level modules of installed plugins.
    """
    if file.startswith("<") or _is_inside(file, (str(Path(__file__).parents[1]),)):
        return False
    if package := installed_package(file):
        return package.startswith(FIRST_PARTY) or package in packages
    return not _is_inside(file, _standard_library())


def installed_package(file: str) -> str:
    """Return the top-level module of a file installed by pip; '' for other files."""
    for folder, name in pairwise(Path(file).parts):
        if folder in INSTALLED:
            return name.removesuffix(".py")
    return ""


def is_library_file(file: str) -> bool:
    """Return whether a file was installed by pip or belongs to Python's standard library."""
    return bool(installed_package(file)) or _is_inside(file, _standard_library())


def _frame(frame: FrameType, line: int) -> Frame:
    code = frame.f_code
    function = code.co_qualname.partition(".<locals>.<")[0]  # name a comprehension by its enclosing function
    source = linecache.getline(code.co_filename, line, frame.f_globals).strip()
    return Frame(code.co_filename, line, function, source, str(frame.f_globals.get("__name__", "")))


def _remote(cause: BaseException | None) -> list[Frame]:
    """Parse the frames of a worker process from the traceback text that process pools attach as the cause."""
    text = getattr(cause, "tb", None)
    if not isinstance(text, str):
        return []
    matches = REMOTE_FRAME.finditer(text.rpartition(REMOTE_START)[2])
    return [Frame(m["file"], int(m["line"]), m["function"], m["source"] or "") for m in matches]


@cache
def _standard_library() -> tuple[str, ...]:
    return tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib"))


def _is_inside(file: str, folders: Collection[str]) -> bool:
    path = Path(file)
    return any(path.is_relative_to(folder) or path.resolve().is_relative_to(folder) for folder in folders)
