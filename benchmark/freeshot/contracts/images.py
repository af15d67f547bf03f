"""What a data set hands out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor


T = TypeVar("T")


class Images(Protocol):
    """Labelled images that are read by index, so that a data set need not fit into memory.

    Images that can be shown at any size also have `at(side) -> Images`; the harness calls it with the backbone's side.
    Without it all images are squares of the side that the backbone takes, or a run is refused before it begins.
    """

    @property
    def labels(self) -> NDArray:  # type: ignore[type-arg]
        """[n] integers, index into `classes`."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes of this split."""
        ...

    @property
    def sha256(self) -> str:
        """Identity of what is shown: hash of pixels and labels, or of the files they come from."""
        ...

    def __len__(self) -> int: ...

    def read(self, indices: Sequence[int]) -> Tensor:
        """Return uint8 [b, 3, h, w]."""
        ...


def shown_at(images: T, side: int) -> T:
    """Copy images that are a frozen dataclass with a field `side`; what was hashed is the same at every size."""
    frozen: Any = images
    shown: T = replace(frozen, side=side)
    vars(shown).update({name: value for name, value in vars(images).items() if name == "sha256"})
    return shown


def fitted(images: Images, side: int) -> Images:
    """Return images at the side that a backbone takes, where they can be shown at any: where they have `at(side)`."""
    at: Callable[[int], Images] | None = getattr(images, "at", None)
    return images if at is None else at(side)


def wrong_size(images: Images, dataset: str, side: int, backbone: str) -> str:
    """Return why a backbone that takes `side` pixels cannot take these images, '' if it can; reads the first one."""
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
