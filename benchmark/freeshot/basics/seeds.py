"""Named random streams from one root seed; adding a stream never changes another."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Generator


def derive(root: int, *names: object) -> int:
    """Hash a root seed and a path of names into a seed of 63 bits, the same on every machine."""
    text = "/".join([str(root), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(root: int, *names: object, device: str = "cpu") -> Generator:
    """Return a new generator for the stream of this name."""
    import torch

    return torch.Generator(device=device).manual_seed(derive(root, *names))
