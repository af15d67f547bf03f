"""One picture file → pixels: RGB over white, at the size a network takes; what is broken or a bomb is refused."""

from __future__ import annotations

import stat
import struct
import warnings
import zlib
from typing import TYPE_CHECKING, Literal

import numpy as np

from freeshot.basics.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL import Image

Fit = Literal["square", "centre"]
"""How a picture becomes square: by not keeping its shape, or by cutting off what is longer."""
ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm"})
UNREAD = (
    frozenset({".apng", ".avif", ".heic", ".heif", ".hif", ".j2k", ".jfif", ".jp2", ".jpe", ".jxl", ".jxr"})
    | {".pbm", ".pcx", ".pgm", ".pnm", ".psb", ".psd", ".svg", ".svgz", ".tga", ".xcf"}
    | {".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".nef", ".nrw", ".orf", ".pef"}  # what cameras write undeveloped
    | {".raf", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"}
)
"""Well-known endings of pictures that are not read: people are told of those that were left out."""
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
"""What is decoded at all; Pillow knows more, and some of that starts other programs."""
MOST_PIXELS = 64_000_000
"""A header that promises more is not believed; the largest chest X-ray has 9 million."""
MOST_BYTES = 2**29
"""Bytes that a picture's file may have: those of as many pixels, uncompressed, twice."""
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
"""What decoders raise over bytes that are not what they claim to be."""


def read_picture(file: Path, side: int, fit: Fit = "square") -> NDArray[np.uint8]:
    """Read a picture as [side, side, 3]; DataError names a file that is none, or that is too large."""
    from PIL import Image

    try:
        require_bearable(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a decoder grumbles about metadata that we do not use
            with Image.open(file, formats=FORMATS) as opened:
                _require_sane(opened.size)
                return np.array(fitted(_on_white(opened), side, fit))
    except (*BROKEN, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).replace(str(file), "it").split()) or type(error).__name__
        raise DataError(f"{file} cannot be read as a picture ({reason}). Remove or replace it.") from None


def require_bearable(file: Path) -> None:
    """Refuse what is no file, which may never end, and what is larger than any picture; OSError."""
    found = file.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError("it is no file")
    if found.st_size > MOST_BYTES:
        raise OSError(f"it has {found.st_size:,} bytes, more than the {MOST_BYTES:,} that are read")


def fitted(image: Image.Image, side: int, fit: Fit) -> Image.Image:
    """Bring a picture to side × side.

    'square' squeezes it, as LoRA Recycle and most of its field do: nothing at the edge is lost. 'centre' is CLIP's
    own evaluation: the shorter side is resized, bicubic, and the middle is cut out.
    """
    from PIL import Image

    if fit == "square":
        return image.resize((side, side), Image.Resampling.BILINEAR)
    width, height = image.size
    shorter = min(width, height)
    size = width * side // shorter, height * side // shorter
    _require_sane(size)  # a picture of 1 × 60,000 pixels is small until its shorter side is resized
    left, top = round((size[0] - side) / 2), round((size[1] - side) / 2)
    return image.resize(size, Image.Resampling.BICUBIC).crop((left, top, left + side, top + side))


def enlarged(pictures: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Bring pictures [b, h, w, 3] that are in memory already to [b, side, side, 3]."""
    from PIL import Image

    shown = [np.asarray(fitted(Image.fromarray(picture), side, "square")) for picture in pictures]
    return np.array(shown, dtype=np.uint8).reshape(-1, side, side, 3)


def _on_white(opened: Image.Image) -> Image.Image:
    from PIL import Image

    if opened.mode == "RGB" and "transparency" not in opened.info:
        return opened.convert("RGB")
    if opened.mode.startswith("I;16") or (opened.mode == "I" and opened.format == "PNG"):
        # Pillow would cut off whatever is brighter than 255
        return Image.fromarray((np.asarray(opened).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    if opened.mode in ("I", "F"):
        raise ValueError("its pixels are 32-bit numbers, of which nobody says what is white")
    rgba = opened.convert("RGBA")
    paper = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    paper.alpha_composite(rgba)
    return paper.convert("RGB")


def _require_sane(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MOST_PIXELS:
        raise ValueError(f"it claims {width} × {height} pixels, more than the {MOST_PIXELS:,} that are read")
