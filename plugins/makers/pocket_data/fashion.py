"""Build the fashion sheet: Fashion-MNIST's test images, 120 of each class."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import numpy as np

from freeshot_vision.sheets import Card
from makers.pocket_data import fetch_packages
from makers.pocket_data.write_sheet import write_sheet

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

PACKAGE = "dataset-fashion-mnist"
VERSION = "0.0~git20200523.55506a9-1"
SHA256 = "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0"
SIZE = 28
PER_CLASS = 120
CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
"""In the order of the published labels."""


def build_fashion(work: Path, out: Path) -> Card:
    """Write fashion.webp and fashion.json into `out`."""
    folder = fetch_packages.unpack(fetch_packages.deb(PACKAGE, work, SHA256), work / "fashion")
    images = _idx(next(folder.rglob("t10k-images-idx3-ubyte.gz")), header=16).reshape(-1, SIZE, SIZE)
    labels = _idx(next(folder.rglob("t10k-labels-idx1-ubyte.gz")), header=8)
    drawings = {name: images[labels == k][:PER_CLASS] for k, name in enumerate(CLASSES)}
    return write_sheet(out, card(), drawings)


def card() -> Card:
    """Return the card of the sheet without hash."""
    return Card(
        name="fashion",
        title="Fashion-MNIST (test pictures)",
        size=SIZE,
        classes=CLASSES,
        counts=(PER_CLASS,) * len(CLASSES),
        split={"base": [], "validation": [], "novel": list(CLASSES)},
        sha256="",
        source=f"Debian package {PACKAGE} {VERSION} (sha256 {SHA256}), file t10k, the first {PER_CLASS} of each class",
        license="MIT",
        attribution="Fashion-MNIST by Han Xiao, Kashif Rasul and Roland Vollgraf. Copyright 2017 Zalando SE.",
        notes="Pixels as published: light clothes on black, 256 grey levels. A target only: nothing is trained on it.",
    )


def _idx(path: Path, header: int) -> NDArray[np.uint8]:
    """Read the bytes of a gzipped IDX file after its header."""
    with gzip.open(path) as stream:
        return np.frombuffer(stream.read(), dtype=np.uint8, offset=header)
