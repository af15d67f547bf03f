"""A printable and serialisable summary of an exception: error, plugin line, last frames, full traceback.

Nothing here prints. A `Failure` is made where the exception is caught, and can be sent to another process as JSON.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import ContractError, FreeshotError
from freeshot.basics.frames import Frame, frames_of, is_plugin_file
from freeshot.basics.text import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

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
    whole = "".join(traceback.format_exception(error)).encode("utf-8", "backslashreplace").decode()
    frames = _culprit(error, packages)
    ours = [frame for frame in frames if is_plugin_file(frame.file, packages)]
    if isinstance(error, FreeshotError) and not (ours and isinstance(error, ContractError)):
        return Failure(str(error), traceback=whole)
    if not ours:
        return Failure(_named(error), None, frames[-ABOVE - BELOW :], whole)
    return Failure(_named(error), ours[-1], _shown(frames, ours[0], ours[-1]), whole)


def _shown(frames: tuple[Frame, ...], first: Frame, origin: Frame) -> tuple[Frame, ...]:
    """Choose the frames to show; frames above the plugin's first one are always the same and are left out."""
    above = frames[frames.index(first) : frames.index(origin) + 1]
    below = frames[len(frames) - frames[::-1].index(origin) :]
    readable = (frame for frame in below if not frame.file.startswith("<"))  # dataclasses run generated code
    return (*above[-ABOVE:], *tuple(readable)[-BELOW:])


def _culprit(error: BaseException, packages: Collection[str]) -> tuple[Frame, ...]:
    """Return the frames of the first exception of the chain with a plugin frame, or of the error itself."""
    for one in _chain(error):
        frames = frames_of(one)
        if any(is_plugin_file(frame.file, packages) for frame in frames):
            return frames
    return frames_of(error)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, its cause, the cause of that, and so on."""
    one: BaseException | None = error
    seen: set[int] = set()
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


def _named(error: BaseException) -> str:
    """Format the error on one line."""
    try:
        text = one_line(str(error))
    except Exception:  # noqa: BLE001 - a plugin's exception may fail to print itself
        text = "its message cannot be printed"
    if isinstance(error, FreeshotError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
