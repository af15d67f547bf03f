"""Small images that are stored in memory and resized on access."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class ArrayImages:
    """Labelled images of one size; implements `freeshot.Images`."""

    pixels: NDArray[np.uint8]
    """[n, c, h, w], with one channel (grey) or three."""
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    side: int = 224

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, side: int) -> ArrayImages:
        """Return the same images at another size."""
        from freeshot.contracts.dataset import shown_at

        return shown_at(self, side)

    @cached_property
    def sha256(self) -> str:
        """Hash class names, labels and pixels."""
        digest = hashlib.sha256("\n".join(self.classes).encode())
        digest.update(self.labels.tobytes())
        digest.update(self.pixels.tobytes())
        return digest.hexdigest()

    def read(self, indices: Sequence[int]) -> Tensor:
        """Return uint8 [b, 3, side, side]."""
        import numpy as np
        import torch

        from freeshot.data.decode import enlarged

        small = self.pixels[list(indices)].transpose(0, 2, 3, 1)  # [b, h, w, c]
        coloured = np.broadcast_to(small, (*small.shape[:3], 3))
        return torch.from_numpy(enlarged(coloured, self.side)).permute(0, 3, 1, 2).contiguous()


def array_images(pixels: Sequence[NDArray[np.uint8]], classes: tuple[str, ...]) -> ArrayImages:
    """Concatenate the images of each class [n_k, c, h, w], in the order of the classes."""
    import numpy as np

    labels = np.repeat(np.arange(len(classes)), [len(own) for own in pixels]).astype(np.int64)
    return ArrayImages(np.concatenate(pixels), labels, classes)
