"""A picture becomes a square of pixels, or an error of one sentence."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from freeshot.basics.errors import DataError
from freeshot.data.decode import FORMATS, MOST_PIXELS, picture_size, read_picture, thumbnail
from freeshot.data.hash_cache import content_hashes

FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def gradient(width: int, height: int) -> Image.Image:
    across = np.linspace(0, 255, width).astype(np.uint8)
    return Image.fromarray(np.repeat(np.tile(across, (height, 1))[..., None], 3, axis=2))


def test_a_square_keeps_the_edges_and_a_centre_cuts_them_off(tmp_path: Path) -> None:
    gradient(60, 20).save(tmp_path / "wide.png")
    squeezed = read_picture(tmp_path / "wide.png", 20, "square")
    cut = read_picture(tmp_path / "wide.png", 20, "centre")
    assert squeezed.shape == cut.shape == (20, 20, 3)
    assert squeezed[0, 0, 0] < 10
    assert squeezed[0, -1, 0] > 245
    assert abs(int(cut[0, 0, 0]) - 85) < 6
    assert abs(int(cut[0, -1, 0]) - 170) < 6


def test_a_centre_crop_is_that_of_torchvision_for_clip(tmp_path: Path) -> None:
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

    theirs = Compose([Resize(24, InterpolationMode.BICUBIC), CenterCrop(24)])
    rng = np.random.default_rng(0)
    for size in ((31, 50), (50, 31), (24, 24), (10, 13)):
        noise = Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8))
        noise.save(tmp_path / "noise.png")
        ours = read_picture(tmp_path / "noise.png", 24, "centre")
        assert np.abs(ours.astype(int) - np.asarray(theirs(noise))).max() == 0


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_every_mode_becomes_three_channels(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("x.tif" if mode in ("CMYK", "I;16") else "x.png")
    Image.new(mode, (5, 4)).save(path)
    assert read_picture(path, 6).shape == (6, 6, 3)


def test_transparent_pixels_of_a_palette_become_white(tmp_path: Path) -> None:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.save(tmp_path / "clear.gif", transparency=0)
    assert (read_picture(tmp_path / "clear.gif", 4) == 255).all()


def png(width: int, height: int) -> bytes:
    """Return a header for a picture of this size, followed by hardly any pixels."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = b"IDAT" + zlib.compress(b"\0" * 9)
    chunks = (head, body, b"IEND")
    parts = (struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    side = int(MOST_PIXELS**0.5)
    for width, height in ((side + 1, side + 1), (2**31 - 1, 2**31 - 1), (60_000, 60_000)):
        (tmp_path / "bomb.png").write_bytes(png(width, height))
        with pytest.raises(DataError, match=r"bomb\.png cannot be read as a picture \("):
            read_picture(tmp_path / "bomb.png", 8)


def test_a_very_thin_picture_is_not_enlarged(tmp_path: Path) -> None:
    Image.new("RGB", (1, 60_000)).save(tmp_path / "thread.png")
    assert read_picture(tmp_path / "thread.png", 8, "square").shape == (8, 8, 3)
    with pytest.raises(DataError, match="more than the 64,000,000 that are read"):
        read_picture(tmp_path / "thread.png", 224, "centre")


@pytest.mark.parametrize("content", [b"", b"MZ", b"%!PS-Adobe-3.0 EPSF-3.0", b"<svg/>", png(0, 0)])
def test_a_file_that_is_not_a_picture_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.png").write_bytes(content)
    with pytest.raises(DataError, match=r"odd\.png cannot be read as a picture \(.*\)\. Remove or replace it\."):
        read_picture(tmp_path / "odd.png", 8)


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.png cannot be read as a picture"):
        read_picture(tmp_path / "gone.png", 8)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder, actual = tmp_path_factory.mktemp("sound"), {}
    for kind in FORMATS:
        gradient(12, 9).save(folder / "x", format=kind)
        actual[kind] = (folder / "x").read_bytes()
    return actual


@FUZZ
@given(kind=st.sampled_from(FORMATS), data=st.data())
def test_a_mutated_picture_gives_pixels_or_an_error_of_one_line(
    sound: dict[str, bytes], tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    content = bytearray(sound[kind])
    for index, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=8)
    ):
        content[index] = value
    path = tmp_path / "mutated"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        assert read_picture(path, 8).shape == (8, 8, 3)
    except DataError as error:
        assert str(error).count("\n") == 0  # noqa: PT017 - either outcome is right


def test_a_file_larger_than_any_picture_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "x.png").open("wb") as file:
        file.truncate(6 * 2**30)
    with pytest.raises(DataError, match=r"it has 6,442,450,944 bytes, and at most 536,870,912 are read"):
        read_picture(tmp_path / "x.png", 8)
    with pytest.raises(DataError, match=r"x\.png cannot be read \(it has 6,442,450,944 bytes"):
        content_hashes([tmp_path / "x.png"], None)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.png")
    with pytest.raises(DataError, match="it is not a regular file"):
        read_picture(tmp_path / "x.png", 8)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bits_of_grey_become_eight(tmp_path: Path, ending: str) -> None:
    ramp = np.linspace(0, 65535, 64, dtype=np.uint16).reshape(8, 8)
    Image.fromarray(ramp).save(tmp_path / f"x.{ending}")
    shown = read_picture(tmp_path / f"x.{ending}", 8)
    assert np.array_equal(shown[..., 0], (ramp >> 8).astype(np.uint8))
    assert (shown == shown[..., :1]).all()


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_images_of_32_bit_numbers_are_refused(tmp_path: Path, dtype: type) -> None:
    Image.fromarray(np.full((8, 8), 3, dtype)).save(tmp_path / "x.tif")
    with pytest.raises(DataError, match="32-bit images are not supported"):
        read_picture(tmp_path / "x.tif", 8)


FORMS = "PNG, JPEG, WEBP, BMP, GIF, TIFF, PPM"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"not an image", f"it is not in one of the formats {FORMS}"),
        (png(9_000, 9_000), "it has 9000 × 9000 pixels, more than the 64,000,000 that are read"),
        (png(60_000, 60_000), "it has more than the 64,000,000 pixels that are read"),
        (png(30, 30), "its content is damaged"),
        (None, "No such file or directory"),
    ],
    ids=["empty", "text", "huge", "bomb", "cut off", "missing"],
)
def test_the_reason_is_our_own_and_never_the_decoders(tmp_path: Path, content: bytes | None, reason: str) -> None:
    file = tmp_path / "it.png"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_picture(file, 8)
    assert str(caught.value) == f"{file} cannot be read as a picture ({reason}). Remove or replace it."


def test_a_file_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path))

    gradient(4, 4).save(tmp_path / "x.png")
    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(DataError, match=r"x\.png cannot be read as a picture \(Permission denied\)\."):
        read_picture(tmp_path / "x.png", 8)


CORNERS = np.array([[10, 20], [30, 40]], np.uint8)
"""Grey values of an image of 2 × 2 pixels as it should be seen."""
STORED = {
    1: lambda seen: seen,
    2: np.fliplr,
    3: lambda seen: np.rot90(seen, 2),
    4: np.flipud,
    5: lambda seen: seen.T,
    6: lambda seen: np.rot90(seen, 1),
    7: lambda seen: np.rot90(seen, 2).T,
    8: lambda seen: np.rot90(seen, -1),
}
"""EXIF orientation → how a camera stores an image that is seen upright."""


def save_turned(file: Path, orientation: int, mode: str = "L") -> None:
    grey = np.asarray(STORED[orientation](CORNERS))
    stored = Image.fromarray(grey.astype(np.uint16) << 8 if mode == "I;16" else grey)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    (stored if mode == "I;16" else stored.convert(mode)).save(file, exif=exif)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_upright_image_is_read_as_shown_in_a_viewer(tmp_path: Path, orientation: int, mode: str) -> None:
    save_turned(tmp_path / "x.png", orientation, mode)
    assert np.array_equal(read_picture(tmp_path / "x.png", 2, upright=True)[..., 0], CORNERS)
    assert np.array_equal(read_picture(tmp_path / "x.png", 2)[..., 0], STORED[orientation](CORNERS))


def test_damaged_exif_data_are_ignored(tmp_path: Path) -> None:
    gradient(8, 4).save(tmp_path / "x.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert (read_picture(tmp_path / "x.jpg", 4, upright=True) == read_picture(tmp_path / "x.jpg", 4)).all()


def test_half_transparent_pixels_are_composited_on_white(tmp_path: Path) -> None:
    Image.new("RGBA", (2, 2), (200, 0, 100, 128)).save(tmp_path / "x.png")
    share = 128 / 255
    expected = [round(share * value + (1 - share) * 255) for value in (200, 0, 100)]
    assert read_picture(tmp_path / "x.png", 1)[0, 0].tolist() == pytest.approx(expected, abs=1)


@pytest.mark.parametrize(
    ("mode", "colour", "seen"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 99, (99, 99, 99)),
        ("LA", (99, 255), (99, 99, 99)),
        ("LA", (0, 0), (255, 255, 255)),
        ("CMYK", (0, 255, 255, 0), (255, 0, 0)),
        ("YCbCr", (255, 128, 128), (255, 255, 255)),
        ("I;16", 99 << 8, (99, 99, 99)),
    ],
)
def test_colours_are_kept_in_every_mode(
    tmp_path: Path, mode: str, colour: tuple[int, ...], seen: tuple[int, ...]
) -> None:
    Image.new(mode, (3, 3), colour).save(tmp_path / "x.tif")
    assert tuple(read_picture(tmp_path / "x.tif", 3, upright=True)[1, 1].tolist()) == seen


def test_a_thumbnail_is_small_upright_and_keeps_its_shape(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    gradient(60, 20).save(tmp_path / "x.jpg", exif=exif)
    with Image.open(io.BytesIO(thumbnail(tmp_path / "x.jpg", 30))) as small:
        assert (small.format, small.size) == ("WEBP", (10, 30))
    gradient(6, 2).save(tmp_path / "x.png")
    with Image.open(io.BytesIO(thumbnail(tmp_path / "x.png", 30))) as same:
        assert same.size == picture_size(tmp_path / "x.png")


def test_messages_of_the_decoder_are_not_printed(tmp_path: Path) -> None:
    gradient(4, 4).save(tmp_path / "x.tif")
    content = (tmp_path / "x.tif").read_bytes()
    samples = struct.pack("<HHI", 277, 3, 1)  # the tag SamplesPerPixel: one 16-bit number
    at = content.index(samples) + len(samples)
    (tmp_path / "x.tif").write_bytes(content[:at] + struct.pack("<H", 29_699) + content[at + 2 :])
    program = f"""
from pathlib import Path
from freeshot.basics.errors import DataError
from freeshot.data.decode import read_picture
try:
    read_picture(Path({str(tmp_path / "x.tif")!r}), 4)
except DataError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{tmp_path / 'x.tif'} cannot be read as a picture (it is not in one of the formats")
    assert done.stderr == ""
