"""The interfaces of data sets, which method code cannot open, and of the images that they return."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from freeshot.basics.access_guard import require_access
from freeshot.contracts.component import Component

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


class Images(Protocol):
    """Labelled images that are read by index, so that a data set need not fit into memory.

    Images that can be resized also have `at(side) -> Images`; the harness calls it with the backbone's input side.
    Without it all images must be squares of that side, or the run is refused before it starts.
    """

    @property
    def labels(self) -> NDArray:  # type: ignore[type-arg]
        """[n] integers, index into `classes`."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of this split's classes."""

    @property
    def sha256(self) -> str:
        """Identity of the content: hash of pixels and labels, or of the source files."""

    def __len__(self) -> int: ...

    def read(self, indices: Sequence[int]) -> Tensor:
        """Return uint8 [b, 3, h, w]."""


@dataclass(frozen=True)
class RemoteFile:
    """A file that a publisher offers for download without registration."""

    address: str
    """'https://…'."""
    name: str
    """Its name in the data set's folder, 'data/NAME'."""
    md5: str = ""
    """The publisher's checksum; '' if there is none."""


@dataclass(frozen=True)
class Example:
    """One small episode of a data set as a picture that may be shown in public."""

    classes: tuple[str, ...]
    """Names of the columns."""
    picture: bytes
    """PNG: a column of equal squares for each class; the first row is the support, the others are queries."""


@dataclass(frozen=True)
class FewShotDataset(Component):
    """Read labelled images whose classes are split into base, validation and novel.

    Loading never downloads; if files are missing it raises DataError and names the file to provide and its folder.
    """

    kind: ClassVar[str] = "dataset"
    domain: ClassVar[str] = ""
    """Kind of images in one word, such as 'drawings'."""
    license: ClassVar[str] = ""
    shareable: ClassVar[bool] = False
    """Whether the licence allows its images in files that are passed on, such as exported episodes."""

    def __init_subclass__(cls, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        if "load" in vars(cls):
            setattr(cls, "load", _guarded(vars(cls)["load"]))  # noqa: B010 - mypy rejects assignment to a method

    @abstractmethod
    def load(self, split: str, root: Path) -> Images:
        """Return one split: 'base', 'validation' or 'novel'; `root` is the user's data folder."""

    def class_counts(self) -> Mapping[str, int]:
        """Return the number of classes of each split, if it is available without the files."""
        return {}

    def is_available(self, root: Path) -> bool | None:
        """Return whether the files are in the user's data folder, without opening them; None if that needs opening."""
        return None

    def example(self) -> Example | None:
        """Return an episode that leaderboards may show in public; None if there is none or the licence forbids it."""
        return None

    def remote_files(self) -> Sequence[RemoteFile]:
        """Return what `freeshot data get` downloads; empty if users must download the files themselves."""
        return ()

    def verify(self, root: Path) -> Sequence[str]:
        """Compare the publisher's checksums; return one sentence per file that has one."""
        return ()


def _guarded(load: Callable[..., Images]) -> Callable[..., Images]:
    @wraps(load)
    def guarded(self: FewShotDataset, split: str, root: Path) -> Images:
        require_access(f"The {split} classes of '{self.name}'")
        return load(self, split, root)

    return guarded


def fitted(images: Images, side: int) -> Images:
    """Return the images at the backbone's input side, if they can be resized (have `at(side)`)."""
    at: Callable[[int], Images] | None = getattr(images, "at", None)
    return images if at is None else at(side)


def wrong_size(images: Images, dataset: str, side: int, backbone: str) -> str:
    """Return why images do not fit a backbone of input side `side`, or '' if they do; reads the first image."""
    if len(images) == 0:
        return ""
    height, width = fitted(images, side).read([0]).shape[-2:]
    if height == width == side:
        return ""
    size = f"{width} px" if height == width else f"{width} × {height} px"
    if hasattr(images, "at"):
        return (
            f"'{dataset}' gives images of {size} by at({side}), but the backbone '{backbone}' takes {side} px. "
            "Return the side that was passed to at."
        )
    return (
        f"'{dataset}' gives images of {size}, but the backbone '{backbone}' takes {side} px. "
        f"Return {side} px, offer at(side), or choose another backbone."
    )
