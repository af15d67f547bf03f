"""Lay out an episode of each shipped set as a picture for leaderboards: `python -m makers.pocket_data.examples`.

A column is a novel class; the first row is the support, the others are queries. The classes are in the PNG's text.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from freeshot.basics.files import atomic_path
from freeshot.basics.seeds import derive
from freeshot_vision.pocket import DATA, EXAMPLES
from freeshot_vision.pocket.samples import DATASETS
from freeshot_vision.sheets import SheetImages, open_sheet

WAY, QUERIES = 5, 3


def episode(images: SheetImages) -> tuple[tuple[str, ...], NDArray[np.uint8]]:
    """Return the classes and the pixels [rows · side, WAY · side, 3] of an episode, the same each time."""
    rng = np.random.Generator(np.random.Philox(derive(0, "example")))
    chosen = rng.permutation(len(images.classes))[:WAY].tolist()
    columns = []
    for label in chosen:
        members = rng.permutation(np.flatnonzero(np.asarray(images.labels) == label))[: 1 + QUERIES].tolist()
        columns.append(np.concatenate([*images.read(members).permute(0, 2, 3, 1).numpy()]))
    return tuple(images.classes[label] for label in chosen), np.concatenate(columns, axis=1)


def main(out: Path = EXAMPLES) -> None:
    """Write the pictures."""
    for name in DATASETS:
        classes, pixels = episode(open_sheet(DATA, name, "novel"))
        text = PngImagePlugin.PngInfo()
        text.add_text("classes", json.dumps(classes))
        with atomic_path(out / f"{name}.png") as temporary:
            Image.fromarray(pixels).save(temporary, "PNG", optimize=True, pnginfo=text)


if __name__ == "__main__":
    main()
