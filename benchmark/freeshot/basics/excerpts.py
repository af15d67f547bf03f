"""Printed form of a failure: the plugin's line and the last frames, or the full traceback."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from freeshot.basics.frames import is_library_file
from freeshot.basics.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from freeshot.basics.failures import Failure
    from freeshot.basics.frames import Frame

T = TypeVar("T")


def excerpt(failure: Failure, folder: Path, *, whole: bool = False) -> tuple[str, ...]:
    """Return the lines to print below an error, with files relative to the working directory `folder`."""
    if whole:
        return tuple(printable(line) for line in failure.traceback.splitlines())
    lines: list[str] = []
    if failure.origin:
        lines += [_located(failure.origin, folder), f"    {failure.origin.source}"]
    if failure.frames not in ((), (failure.origin,)):
        lines += ["last frames:", *(f"    {_located(frame, folder)}: {frame.source}" for frame in failure.frames)]
    return tuple(printable(line) for line in lines)


def shown_path(file: str, folder: Path) -> str:
    """Return a path as it can be opened from the working directory `folder`."""
    path = Path(file)
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else file


def grouped(items: Iterable[T], cause: Callable[[T], Hashable]) -> list[list[T]]:
    """Group items with the same cause, in the order in which the causes first occur."""
    groups: dict[Hashable, list[T]] = {}
    for item in items:
        groups.setdefault(cause(item), []).append(item)
    return list(groups.values())


def _located(frame: Frame, folder: Path) -> str:
    file = frame.short if is_library_file(frame.file) else shown_path(frame.file, folder)
    return f"{file}:{frame.line} in {frame.function}"
