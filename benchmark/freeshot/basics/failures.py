"""A printable and serialisable summary of an exception: error, plugin line, last frames, full traceback.

Nothing here prints. A `Failure` is made where the exception is caught, and can be sent to another process as JSON.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from freeshot.basics.errors import ContractError, FreeshotError
from freeshot.basics.frames import Frame, frames_of, is_library_file, is_plugin_file
from freeshot.basics.text import one_line, printable

T = TypeVar("T")

ABOVE, BELOW = 3, 2
"""Numbers of frames to show: up to and including the plugin's line, and the last ones below it."""


@dataclass(frozen=True)
class Failure:
    """The stored and printed summary of an exception."""

    error: str
    """Type and message on one line; for a FreeshotError the message alone, which is a full sentence."""
    origin: Frame | None = None
    """Innermost line in plugin code; None if no plugin is involved, or if the message is enough."""
    frames: tuple[Frame, ...] = ()
    """Frames from the plugin's first line to `origin`, then where the exception was raised; innermost last."""
    traceback: str = ""
    """The full traceback as Python prints it."""

    @property
    def cause(self) -> tuple[str, str, int]:
        """Key shared by failures that one change to the plugin fixes: error, file and line."""
        return (self.error, self.origin.file, self.origin.line) if self.origin else (self.error, "", 0)

    @property
    def reason(self) -> str:
        """The error with the plugin's file and line; without local folder names, because records are shared."""
        return f"{self.error} ({self.origin.short}, line {self.origin.line})" if self.origin else self.error

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Failure:
        """Make a failure from the JSON form of `dataclasses.asdict`."""
        origin, frames = plain["origin"], tuple(Frame(**frame) for frame in plain["frames"])
        return cls(plain["error"], Frame(**origin) if origin else None, frames, plain["traceback"])


def failure_of(error: BaseException, packages: Collection[str] = ()) -> Failure:
    """Summarise an exception; `packages` are the top-level modules of installed plugins.

    A line of code is named for exceptions raised by plugin code and for contracts that a plugin breaks. Other FreeShot
    errors are about user input, and their message is enough.
    """
    full_traceback = "".join(traceback.format_exception(error)).encode("utf-8", "backslashreplace").decode()
    frames = _culprit(error, packages)
    plugin_frames = [frame for frame in frames if is_plugin_file(frame.file, packages)]
    if isinstance(error, FreeshotError) and not (plugin_frames and isinstance(error, ContractError)):
        return Failure(str(error), traceback=full_traceback)
    if not plugin_frames:
        return Failure(_named(error), None, frames[-ABOVE - BELOW :], full_traceback)
    return Failure(
        _named(error), plugin_frames[-1], _shown(frames, plugin_frames[0], plugin_frames[-1]), full_traceback
    )


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


def _shown(frames: tuple[Frame, ...], first: Frame, origin: Frame) -> tuple[Frame, ...]:
    """Choose the frames to show; frames above the plugin's first one are always the same and are left out."""
    above = frames[frames.index(first) : frames.index(origin) + 1]
    below = frames[len(frames) - frames[::-1].index(origin) :]
    readable = (frame for frame in below if not frame.file.startswith("<"))  # dataclasses run generated code
    return (*above[-ABOVE:], *tuple(readable)[-BELOW:])


def _culprit(error: BaseException, packages: Collection[str]) -> tuple[Frame, ...]:
    """Return the frames of the first exception of the chain with a plugin frame, or of the error itself."""
    for link in _chain(error):
        frames = frames_of(link)
        if any(is_plugin_file(frame.file, packages) for frame in frames):
            return frames
    return frames_of(error)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, its cause, the cause of that, and so on."""
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _named(error: BaseException) -> str:
    """Format the error on one line."""
    try:
        text = one_line(str(error))
    except Exception:  # noqa: BLE001 - a plugin's exception may fail to print itself
        text = "its message cannot be printed"
    if isinstance(error, FreeshotError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _located(frame: Frame, folder: Path) -> str:
    file = frame.short if is_library_file(frame.file) else shown_path(frame.file, folder)
    return f"{file}:{frame.line} in {frame.function}"
