"""Decoding of image files: RGB on white, resized to the network's input; broken and oversized files are refused."""

from __future__ import annotations

import io
import logging
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from freeshot.basics.errors import DataError
from freeshot.basics.files import require_bounded

logging.getLogger("PIL").addHandler(logging.NullHandler())  # without any handler Pillow's messages go to stderr

Fit = Literal["square", "centre"]
"""How an image becomes square: by changing its aspect ratio, or by cropping."""
ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm"})
UNREAD = (
    frozenset({".apng", ".avif", ".heic", ".heif", ".hif", ".j2k", ".jfif", ".jp2", ".jpe", ".jxl", ".jxr"})
    | {".pbm", ".pcx", ".pgm", ".pnm", ".psb", ".psd", ".svg", ".svgz", ".tga", ".xcf"}
    | {".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".nef", ".nrw", ".orf", ".pef"}  # cameras' raw formats
    | {".raf", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"}
)
"""Well-known image formats that are not supported; skipped files are reported."""
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
"""Decoded formats; Pillow supports more, some of which start other programs."""
MOST_PIXELS = 64_000_000
"""Limit on the pixels a header declares; the largest chest X-ray has 9 million."""
MOST_BYTES = 2**29
"""Limit on file size: twice the uncompressed size of the largest image."""
BROKEN = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""Exceptions that decoders raise on corrupt data."""


class _RefusedError(ValueError):
    """An image is refused by a rule of this module; the message is for users, unlike those of decoders."""


def read_picture(file: Path, side: int, fit: Fit = "square", *, upright: bool = False) -> NDArray[np.uint8]:
    """Read an image as [side, side, 3]; DataError names a file that is invalid or too large.

    `upright` turns it as its EXIF orientation demands, as viewers do. Data sets are read as they are stored.
    """
    with _opened(file) as picture:
        if upright:
            _turn(picture)
        return np.array(fitted(_on_white(picture), side, fit))


def thumbnail(file: Path, side: int) -> bytes:
    """Return an upright image on white as WebP, reduced to at most `side` pixels; DataError as in `read_picture`."""
    out = io.BytesIO()
    with _opened(file) as picture:
        _turn(picture)
        small = _on_white(picture)
        small.thumbnail((side, side))
        small.save(out, format="WEBP")
    return out.getvalue()


def picture_size(file: Path) -> tuple[int, int]:
    """Return the width and height that an image's header declares; DataError names a file that is invalid."""
    with _opened(file) as picture:
        return picture.size


@contextmanager
def _opened(file: Path) -> Iterator[Image.Image]:
    """Open an image; DataError if it is invalid or too large, also when that shows only in the block that reads it."""
    try:
        _require_file(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # decoders warn about metadata that is not used
            with Image.open(file, formats=FORMATS) as opened:
                _require_sane(opened.size)
                yield opened
    except (*BROKEN, Image.DecompressionBombError) as error:
        raise DataError(f"{file} cannot be read as a picture ({_reason(error)}). Remove or replace it.") from None


def _require_file(file: Path) -> None:
    try:
        require_bounded(file, MOST_BYTES)
        if file.stat().st_size == 0:
            raise _RefusedError("it is empty")
    except OSError as error:
        raise _RefusedError(error.strerror or str(error)) from None


def _reason(error: Exception) -> str:
    """Return why an image is not read; the texts of decoders are for programmers."""
    match error:
        case _RefusedError():
            return str(error)
        case Image.DecompressionBombError():
            return f"it has more than the {MOST_PIXELS:,} pixels that are read"
        case UnidentifiedImageError():
            return f"it is not in one of the formats {', '.join(FORMATS)}"
        case OSError(strerror=str(reason)):
            return reason
    return "its content is damaged"


def fitted(image: Image.Image, side: int, fit: Fit) -> Image.Image:
    """Resize an image to side × side.

    'square' changes the aspect ratio, as LoRA Recycle and most of its field do: nothing at the edges is lost. 'centre'
    is CLIP's own evaluation: the shorter side is resized, bicubic, and the centre is cropped.
    """
    if fit == "square":
        return image.resize((side, side), Image.Resampling.BILINEAR)
    width, height = image.size
    shorter = min(width, height)
    size = width * side // shorter, height * side // shorter
    _require_sane(size)  # a 1 × 60,000 image becomes huge when its shorter side is resized
    left, top = round((size[0] - side) / 2), round((size[1] - side) / 2)
    return image.resize(size, Image.Resampling.BICUBIC).crop((left, top, left + side, top + side))


def enlarged(pictures: NDArray[np.uint8], side: int, fit: Fit = "square") -> NDArray[np.uint8]:
    """Resize images in memory [b, h, w, 3] to [b, side, side, 3]."""
    shown = [np.asarray(fitted(Image.fromarray(picture), side, fit)) for picture in pictures]
    return np.array(shown, dtype=np.uint8).reshape(-1, side, side, 3)


def _turn(opened: Image.Image) -> None:
    """Turn an image in place as its EXIF orientation demands; damaged EXIF data are ignored, as viewers do."""
    opened.load()
    with suppress(*BROKEN):
        ImageOps.exif_transpose(opened, in_place=True)


def _on_white(opened: Image.Image) -> Image.Image:
    """Convert to RGB; what is transparent lets white through."""
    if opened.mode == "RGB" and "transparency" not in opened.info:
        return opened.convert("RGB")
    if opened.mode.startswith("I;16") or (opened.mode == "I" and opened.format == "PNG"):
        # Pillow would clip values above 255
        return Image.fromarray((np.asarray(opened).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    if opened.mode in ("I", "F"):
        raise _RefusedError("32-bit images are not supported; save it with 8 bits per channel")
    rgba = opened.convert("RGBA")
    paper = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    paper.alpha_composite(rgba)
    return paper.convert("RGB")


def _require_sane(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MOST_PIXELS:
        raise _RefusedError(f"it has {width} × {height} pixels, more than the {MOST_PIXELS:,} that are read")
