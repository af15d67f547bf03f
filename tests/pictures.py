"""Folders of pictures, as a person might have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def noise_pictures(folder: Path, classes: int, each: int) -> Path:
    """Write `each` PNGs of noise into each of the class folders 'kind-0', 'kind-1', …; return the folder."""
    rng = np.random.default_rng(0)
    for name in range(classes):
        (folder / f"kind-{name}").mkdir(parents=True)
        for number in range(each):
            noise = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
            noise.save(folder / f"kind-{name}" / f"{number}.png")
    return folder
