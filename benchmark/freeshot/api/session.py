"""What the functions of the API share: loaded plugins, arguments as users write them, progress, warnings."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from freeshot.basics.errors import FreeshotWarning

if TYPE_CHECKING:
    from freeshot.cli.context import Session

StrPath = str | os.PathLike[str]
Texts = str | Iterable[str]
"""One text or several."""
HERE = Path(__file__).parent
T = TypeVar("T")


def open_session(plugins: Iterable[StrPath] = (), data: StrPath = "data") -> Session:
    """Load the installed plugins, those in files, and the data sets of a data folder.

    Anew for each call, so that a plugin's file that was edited in between takes effect.
    """
    from freeshot.cli.context import Session

    session = Session(files=tuple(map(Path, plugins)))
    session.data = Path(data)
    return session


def warn_of_failures(session: Session) -> None:
    """Warn of each plugin that failed, once per session."""
    for failure in session.take_failures():
        warn(failure.line)


def warn(sentence: str) -> None:
    """Issue a FreeshotWarning at the line that called the API."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and Path(frame.f_code.co_filename).parent == HERE:
        frame, level = frame.f_back, level + 1
    warnings.warn(sentence, FreeshotWarning, stacklevel=level)


def warn_of_left_out(labelled: Path, *others: Path) -> None:
    """Warn of pictures in formats that are not read, and of those outside of the class folders of `labelled`."""
    from freeshot.data.image_folder import left_out, stray_images

    for sentence in filter(None, (left_out(labelled, *others), stray_images(labelled))):
        warn(sentence)


def listed(value: T | Iterable[T]) -> tuple[T, ...]:
    """Return one value or several as a tuple; a text is one value."""
    if isinstance(value, Iterable) and not isinstance(value, str):
        return tuple(value)
    return (value,)


@contextmanager
def shown_progress(
    session: Session, titles: Mapping[str, str] | None = None, cells: Collection[str] = (), *, progress: bool = True
) -> Iterator[None]:
    """Show the events of the block: bars on a terminal and in notebooks, lines elsewhere, nothing if not wanted."""
    if not progress:
        yield
        return
    from freeshot.cli.progress import shown

    with shown(session.host.manager, titles, cells):
        yield
