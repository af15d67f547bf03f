"""Build the digits sheet: handwritten digits of the UCI repository, 120 of each."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from freeshot_vision.sheets import Card
from makers.pocket_data import fetch_packages
from makers.pocket_data.sketch import to_levels
from makers.pocket_data.write_sheet import write_sheet

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

PACKAGE = ("scikit-learn", "1.9.1", "52a0703bbc07ad27f560fa63fa68e4c54dd735bfbbf65b4dd3c225dc7547b6df")
SIZE = 28
SIDE = 8
"""Side of a published picture; its ink runs from 0 to 16."""
MARGIN = 2
"""White pixels around a digit, which as published touches the upper and lower edge."""
PER_CLASS = 120
CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def build_digits(work: Path, out: Path) -> Card:
    """Write digits.webp and digits.json into `out`."""
    folder = fetch_packages.unpack(fetch_packages.wheel(*PACKAGE, work), work / "scikit-learn")
    with gzip.open(folder / "sklearn" / "datasets" / "data" / "digits.csv.gz", "rt", encoding="ascii") as lines:
        table = np.loadtxt(lines, delimiter=",")  # [n, 64 ink values and the digit]
    labels = table[:, -1].astype(int)
    drawings = {name: _distinct(table[labels == k, :-1])[:PER_CLASS] for k, name in enumerate(CLASSES)}
    return write_sheet(out, card(), {name: enlarge(ink) for name, ink in drawings.items()})


def card() -> Card:
    """Return the card of the sheet without hash."""
    return Card(
        name="digits",
        title="UCI handwritten digits",
        size=SIZE,
        classes=CLASSES,
        counts=(PER_CLASS,) * len(CLASSES),
        split={"base": [], "validation": [], "novel": list(CLASSES)},
        sha256="",
        source=f"{PACKAGE[0]} {PACKAGE[1]} (wheel, sha256 {PACKAGE[2]}), file digits.csv.gz, "
        f"the first {PER_CLASS} different ones of each class",
        license="CC-BY-4.0",
        attribution="Optical Recognition of Handwritten Digits by E. Alpaydin and C. Kaynak (1998), "
        "UCI Machine Learning Repository, its test part as shipped with scikit-learn.",
        notes=f"Changes: enlarged from {SIDE} to {SIZE - 2 * MARGIN} pixels (bicubic), set in a white "
        f"margin of {MARGIN} pixels, inverted to dark ink on white paper and "
        "rounded to 16 grey levels. A target only: nothing is trained on it.",
    )


def enlarge(ink: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Draw ink values [n, 64] from 0 to 16 as dark on white, [n, 28, 28]."""
    small = np.rint(255 - ink.reshape(-1, SIDE, SIDE) * 255 / 16).astype(np.uint8)
    side = SIZE - 2 * MARGIN
    large = [np.asarray(Image.fromarray(one).resize((side, side), Image.Resampling.BICUBIC)) for one in small]
    margins = ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN))
    return to_levels(np.pad(np.stack(large), margins, constant_values=255))


def _distinct(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rows without duplicates, in their order."""
    _, first = np.unique(rows, axis=0, return_index=True)
    return rows[np.sort(first)]
