"""What a data set hands out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor


class Images(Protocol):
    """Labelled images that are read by index, so that a data set need not fit into memory."""

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
