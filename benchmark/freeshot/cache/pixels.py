"""Cache of decoded pixels on disk: no image is decoded twice, and none has to stay in memory.

One folder per data set, split and size: `card.json`, `pixels.u8` [n, 3, h, w] and `checks.u32` [n], a checksum of each
image. Sizes and a sample are checked on opening, each image on reading; damaged images are decoded again from their
source files.
"""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from freeshot.basics.errors import DataError, StoreError
from freeshot.basics.files import file_sha256, fingerprint, publish_folder, write_text
from freeshot.contracts.dataset import Images

WORTH = 128 * 2**20
"""Smallest set, in bytes of pixels, that is cached; smaller sets are decoded quickly."""
BLOCK = 64 * 2**20
"""Bytes of pixels in memory while the cache is written."""
SAMPLE = 16
"""Number of images, evenly spaced, whose checksums are compared on opening."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """The images of a split, read from the cache; implements `freeshot.Images`."""

    inner: Images
    folder: Path
    shape: tuple[int, ...]
    """Shape of one image: 3, h, w."""
    labels: NDArray[Any]
    """[n], those of the data set."""
    classes: tuple[str, ...]
    sha256: str
    """Hash of the content, the same as without the cache."""

    def __len__(self) -> int:
        return len(self.inner)

    def read(self, indices: Sequence[int]) -> Tensor:
        """Return uint8 [b, 3, h, w]; an image with a wrong checksum is read from the data set."""
        rows = np.asarray(indices, dtype=np.int64)
        try:
            # mapped for this read only, because mapped pages count as memory of this process
            pixels, checks = _mapped(self.folder, (len(self), *self.shape))
            block = torch.from_numpy(np.array(pixels[rows]))
            damaged = np.flatnonzero(_checks(block) != checks[rows])
        except (OSError, ValueError):  # pruned or damaged since it was opened
            return self.inner.read(indices)
        if len(damaged):
            block[damaged] = self.inner.read(rows[damaged].tolist())
        return block


def _mapped(folder: Path, shape: tuple[int, ...]) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
    """Map the pixels [n, 3, h, w] and checksums [n] of a cache of known shape; ValueError if the file sizes differ."""
    pixels, checks = folder / "pixels.u8", folder / "checks.u32"
    if pixels.stat().st_size != int(np.prod(shape)) or checks.stat().st_size != 4 * shape[0]:
        raise ValueError("damaged")
    return np.memmap(pixels, np.uint8, "r", shape=shape), np.memmap(checks, "<u4", "r", shape=shape[:1])


def decoded(images: Images, dataset: str, split: str, root: Path) -> Images:
    """Return images with a pixel cache, if the set is large enough and the disk has space."""
    if len(images) == 0:
        return images
    shape = tuple(images.read([0]).shape[1:])  # [3, h, w]
    total = len(images) * int(np.prod(shape))
    if total < WORTH:
        return images
    facts = {"dataset": dataset, "split": split, "images": images.sha256, "count": len(images), "shape": list(shape)}
    folder = root / fingerprint(facts)
    if not _is_sound(folder, facts):
        if _room(root) < 2 * total:
            return images
        try:
            _write_once(images, facts, folder)
        except (OSError, StoreError):
            return images  # an unwritable cache only costs time
    with suppress(OSError):
        (folder / "card.json").touch()  # the time of last use
    return Decoded(images, folder, shape, images.labels, images.classes, images.sha256)


def _is_sound(folder: Path, facts: dict[str, Any]) -> bool:
    """Return whether a cache is intact: card, sizes, hash of the checksums, and a sample of the images."""
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        pixels, checks = _mapped(folder, (facts["count"], *facts["shape"]))
        rows = np.unique(np.linspace(0, facts["count"] - 1, SAMPLE).astype(np.int64))
        return bool(
            card == {"facts": facts, "checks_sha256": file_sha256(folder / "checks.u32")}
            and (_checks(torch.from_numpy(np.array(pixels[rows]))) == checks[rows]).all()
        )
    except (OSError, ValueError, RecursionError):
        return False


def _write_once(images: Images, facts: dict[str, Any], folder: Path) -> None:
    """Decode all images under a lock, unless another process has done so meanwhile."""
    from filelock import FileLock

    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f"{folder.name}.lock"):
        if not _is_sound(folder, facts):
            _write(images, facts, folder)


def _write(images: Images, facts: dict[str, Any], folder: Path) -> None:
    """Decode all images block by block, and publish the folder when it is complete."""
    count, shape = facts["count"], facts["shape"]
    step = max(1, BLOCK // int(np.prod(shape)))
    checks = []
    with publish_folder(folder) as fresh:
        with (fresh / "pixels.u8").open("wb") as file:
            for start in range(0, count, step):
                block = images.read(list(range(start, min(start + step, count))))
                if block.dtype != torch.uint8 or list(block.shape[1:]) != shape:
                    raise DataError(
                        f"'{facts['dataset']}' gave images of {list(block.shape[1:])} after one of {shape}. A data "
                        "set must return all images at one size, as uint8."
                    )
                checks.append(_checks(block))
                file.write(block.contiguous().numpy().data)  # no copy
        (fresh / "checks.u32").write_bytes(np.concatenate(checks).astype("<u4").tobytes())
        card = {"facts": facts, "checks_sha256": file_sha256(fresh / "checks.u32")}
        write_text(fresh / "card.json", json.dumps(card, indent=1) + "\n")


def _checks(block: Tensor) -> NDArray[np.uint32]:
    """Return a checksum of each image [b, 3, h, w]."""
    return np.array([zlib.crc32(image.tobytes()) for image in block.contiguous().numpy()], dtype=np.uint32)


def _room(root: Path) -> int:
    """Return the free disk space for the cache in bytes."""
    folder = next((path for path in (root, *root.parents) if path.exists()), Path())
    return shutil.disk_usage(folder).free
