"""Small labelled images that are stored in memory and resized on access.

Axes: n images, c channels (1 for grey, or 3), h × w pixels.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from freeshot.data.images import SIDE, shown_at

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from freeshot.data.decode import Fit


@dataclass(frozen=True, eq=False)
class ArrayImages:
    """Labelled images of one size; implements `freeshot.Images`."""

    pixels: NDArray[np.uint8]
    """[n, c, h, w]."""
    labels: NDArray[np.int64]
    """[n], index into `classes`."""
    classes: tuple[str, ...]
    side: int = SIDE
    fit: Fit = "square"
    files: tuple[Path, ...] = ()
    """[n] the files they were read from, if each has its own."""

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, side: int) -> ArrayImages:
        """Return the same images at another size."""
        return shown_at(self, side)

    @cached_property
    def sha256(self) -> str:
        """Hash class names, labels and pixels."""
        digest = hashlib.sha256("\n".join(self.classes).encode())
        digest.update(self.labels.tobytes())
        digest.update(self.pixels.tobytes())
        if self.fit != "square":
            digest.update(self.fit.encode())
        return digest.hexdigest()

    def read(self, indices: Sequence[int] | NDArray[np.int64]) -> Tensor:
        """Return uint8 [b, 3, side, side]."""
        import numpy as np
        import torch

        from freeshot.data.decode import enlarged

        chosen = self.pixels[np.asarray(indices, dtype=np.int64)].transpose(0, 2, 3, 1)  # [b, h, w, c]
        coloured = np.broadcast_to(chosen, (*chosen.shape[:3], 3))  # [b, h, w, 3]
        if self.side != chosen.shape[1]:
            coloured = enlarged(coloured, self.side, self.fit)  # [b, side, side, 3]
        return torch.from_numpy(np.array(coloured.transpose(0, 3, 1, 2), order="C"))  # [b, 3, side, side]


def array_images(pixels: Sequence[NDArray[np.uint8]], classes: tuple[str, ...]) -> ArrayImages:
    """Concatenate the images of each class [n_k, c, h, w], in the order of the classes."""
    import numpy as np

    labels = np.repeat(np.arange(len(classes)), [len(own) for own in pixels]).astype(np.int64)
    return ArrayImages(np.concatenate(pixels), labels, classes)
