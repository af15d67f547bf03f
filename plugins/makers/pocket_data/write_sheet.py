"""Write a data set as one lossless image and one card, as `freeshot_vision.sheets` reads them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from freeshot_vision.sheets import Card


def write_sheet(folder: Path, card: Card, drawings: Mapping[str, NDArray[np.uint8]]) -> Card:
    """Write the drawings (class -> [n, h, w] or [n, h, w, 3]) as `<name>.webp` + card; return the hashed card."""
    height = max(card.counts) * card.size
    grey = next(iter(drawings.values())).ndim == 3
    shape = (height, len(card.classes) * card.size) + (() if grey else (3,))
    pixels = np.full(shape, 255, dtype=np.uint8)
    for column, name in enumerate(card.classes):
        stack = drawings[name]
        pixels[: len(stack) * card.size, column * card.size : (column + 1) * card.size] = stack.reshape(
            -1, *stack.shape[2:]
        )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{card.name}.webp"
    Image.fromarray(pixels).save(path, lossless=True, quality=100, method=6)
    hashed = replace(card, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    text = json.dumps(asdict(hashed), indent=1, ensure_ascii=False)
    (folder / f"{card.name}.json").write_text(text + "\n", encoding="utf-8")
    return hashed
