"""The order in which images are shown to a learner: by a hash of their pixels, independent of their classes.

Data sets and episode lists store images class by class, so that order reveals the labels. Sorted by a hash of the
pixels, the order is a function of the images alone and would be the same with any other labels. It therefore carries no
information about labels, even for a learner that recomputes it, and it is the same in every run. A shuffle seeded by a
number, or by the labels, lacks this property: a learner could recompute it, or test a guess of all labels against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor

from freeshot.contracts.dataset import Images

BLOCK = 16 * 2**20
"""Bytes of pixels that are read at once for hashing."""


def pixel_keys(pixels: Tensor) -> Tensor:
    """Hash each image of uint8 [b, 3, h, w] to an integer: int64 [b]; equal images have equal keys."""
    digests = b"".join(blake2b(image.tobytes(), digest_size=8).digest() for image in pixels.cpu().numpy())
    return torch.from_numpy(np.frombuffer(digests, dtype="<i8").astype(np.int64))


def image_keys(images: Images, indices: Sequence[int]) -> Tensor:
    """Read images in blocks and hash their pixels: int64 [n]."""
    if not indices:
        return torch.empty(0, dtype=torch.int64)
    size = max(1, images.read(indices[:1]).numel())
    block = max(1, BLOCK // size)
    parts = [pixel_keys(images.read(indices[start : start + block])) for start in range(0, len(indices), block)]
    return torch.cat(parts)


def shown_order(keys: Tensor) -> Tensor:
    """Return the indices of images [.., n] in the order in which they are shown."""
    return keys.argsort(dim=-1, stable=True)
