"""The interface of the images that data sets return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of this split's classes."""
        ...

    @property
    def sha256(self) -> str:
        """Identity of the content: hash of pixels and labels, or of the source files."""
        ...

    def __len__(self) -> int: ...

    def read(self, indices: Sequence[int]) -> Tensor:
        """Return uint8 [b, 3, h, w]."""
        ...


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
