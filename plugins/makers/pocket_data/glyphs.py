"""Build the glyphs sheet: the consonants of the Thai script in many open typefaces."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from freeshot_vision.sheets import Card
from makers.pocket_data import fetch_packages
from makers.pocket_data.sketch import to_levels
from makers.pocket_data.split_classes import split_classes
from makers.pocket_data.write_sheet import write_sheet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

FAMILIES = (
    ("anuphan", "5.3.0", "7902b5f85a4b1f52dc208aeeabaea0b43bda55c3e72d09d216caba5a99ab8da3"),
    ("athiti", "5.2.8", "631ef6f6d938e94e73ab817c8d4097f92e05825e7323a6494c83d7ca585da963"),
    ("bai-jamjuree", "5.3.0", "538344c66c45801563eb0b92a2bbeb09af9c09ae43176d0530311860a1bc69e0"),
    ("chakra-petch", "5.3.0", "6a98a7d53cc1daedd1ff69490e96efd5c832c0889fc2353b178dcc56004503c8"),
    ("charm", "5.2.7", "fda8d2a1a071c85ba8efde59365efb8945c6bd23382b76ac287bce9416d6807e"),
    ("charmonman", "5.2.7", "16cc9672f9f48740bd06dabc9e6bb11af3a09ffa920638564b276da0e9b95bc0"),
    ("chonburi", "5.3.0", "34ec65dcc9a0b4b5eefc6d827974338ea5f97c8d24c2b69b1f06a30db9db55a2"),
    ("fahkwang", "5.3.0", "b03cb2ddff3ba0794195adee5f83ec773c76355f8ea77aebf3bb1c2716f93e84"),
    ("google-sans", "5.3.1", "c3908df924ee99e6da886f9652a08555b41120ee61219d8beee68a7aa657777d"),
    ("ibm-plex-sans-thai", "5.3.0", "5ca89cc99ea11b8ee264f9b9dc5deae8a448693cbc2a467a3719146230f3ffd4"),
    ("ibm-plex-sans-thai-looped", "5.3.0", "9574d45c9f62dd082523200aca52dbf3dc29999263b43102439b72d179cf26cf"),
    ("itim", "5.3.0", "2b6f41d05eae237d51e51e69099993e2864d9c61a0015cb908b73850000f1e2e"),
    ("k2d", "5.2.8", "78b22c0133ee3fa1d2776747a39d488a739c5efa3b1230d2e02ab8a49875d4fd"),
    ("kanit", "5.3.0", "12c3e3753d6539a9380ae11252f49a34e7defe5cb07b6e0ec3af18b13268eeb4"),
    ("kodchasan", "5.2.8", "18da0e1eed51ddbd825a4549cc3cdc04cfa935092440dc4b225d2a42c3584b69"),
    ("koho", "5.3.0", "206d55cd6a63130408a8f09c69cda843e8e820f70dc59107e402a70233dcba70"),
    ("krub", "5.2.7", "6f6511605d3e6acd45b72c9bcb6b68c73497261c10991c415504b3f7b32ced8a"),
    ("maitree", "5.3.0", "d8c62bedecdc4c111315fca23a2cddde610cda57857c0ee2358102d81290c6c2"),
    ("mali", "5.3.0", "391b86c08e567a8537c0cf6aad7298f5e4c54e0ab7652d046b44678f01f7fbd0"),
    ("mitr", "5.3.0", "d644583bc20988c38b5ec384a9a7f5e0dc4d373a1f4618308a82d6b5729320f1"),
    ("niramit", "5.3.0", "ca0b12f86e2154dd05dd2ce99d7984928947a7f096ef9c1d154dfccd3f56af6c"),
    ("noto-sans-thai", "5.3.0", "263b3705d8dd9e3a24d267b2a2832d2252c81737f7aa45eec2ae57f87e8ad7aa"),
    ("noto-sans-thai-looped", "5.3.0", "f965c2856c8fe5ff654c32ae8a29ef56e2928f9022f30e09da59e7c9bd5b7442"),
    ("noto-serif-thai", "5.3.0", "3f7bccec3fd7d62ba8ac5470c0f10d648d48c58a50c244d91e657ab5150410f2"),
    ("pattaya", "5.3.0", "c212e7bde1feaba7a2021fb002a672e7e3cc3149f16a528e56a8a23d44b7f95e"),
    ("playpen-sans-thai", "5.3.0", "97fa3d76985e42e3d7d903448733779e1928a78dde5ab740adfc11d7f2ca3d2e"),
    ("pridi", "5.3.0", "f69166c1d4aa48246719e426c1fc8c1b67f7f199afa1d27e573ffad9fccf9b3b"),
    ("prompt", "5.3.0", "0f90eb2a11aab61f23ec25135907ac0e4ac8f7c1d5687f24e2ffe3b04055590b"),
    ("sarabun", "5.3.0", "7b5cca5fc0b9fb2e9ef70e43a55302cbab3308d4bd4b3b8d9a3263e287331686"),
    ("sriracha", "5.3.0", "934c3629d255c4f86f66b218cdefef90d6328727be5036fc28f953ac53a7b6f4"),
    ("taviraj", "5.3.0", "46b17315606d768b38961bff02f0b36fd5d7ed8fa694dbe3bfaaed10236fd20e"),
    ("trirong", "5.3.0", "57bf098790d2b7cd4fc7a57bbae494257d492291f05a57eb04e4aa0a2a610df6"),
)
"""Name, version and archive hash of every package '@fontsource/NAME'."""

LETTERS = tuple(chr(code) for code in range(0x0E01, 0x0E2F) if code not in {0x0E03, 0x0E05, 0x0E24, 0x0E26})
"""The consonants in use; excludes two obsolete ones and two vowel letters in the range."""
NOTDEF = "\uffff"
"""A character without glyph, which shows the placeholder that a typeface draws for missing letters."""
SIZE = 28
MARGIN = 3
SCALE = 10
"""Letters are drawn this much larger and then reduced."""
BOLD = 8
"""Number of families whose bold is also used."""


def build_glyphs(work: Path, out: Path) -> Card:
    """Write glyphs.webp and glyphs.json into `out`."""
    fonts = _fonts(work)
    drawings = {_name(letter): _distinct([_draw(font, letter) for font in fonts.values()]) for letter in LETTERS}
    return write_sheet(out, card({name: len(stack) for name, stack in drawings.items()}, list(fonts)), drawings)


def card(counts: dict[str, int], fonts: Sequence[str]) -> Card:
    """Return the card of the sheet without hash."""
    versions = ", ".join(f"{name} {version}" for name, version, _ in FAMILIES)
    return Card(
        name="glyphs",
        title="Thai letters in many typefaces",
        size=SIZE,
        classes=tuple(counts),
        counts=tuple(counts.values()),
        split=split_classes(tuple(counts), "freeshot-glyphs-1:", base=0, validation=12),
        sha256="",
        source=f"npm packages @fontsource/NAME with NAME and version: {versions}",
        license="OFL-1.1",
        attribution="The designers of the Thai typefaces named under 'parts', each under the SIL Open Font License "
        "1.1; packaged by Fontsource.",
        notes=f"Each letter is drawn {SCALE} times larger, cut to its ink, fitted into {SIZE - 2 * MARGIN} pixels, "
        "centred and rounded to 16 grey levels, black on white. Letters a typeface lacks are left out. One drawing "
        f"a family, and for {BOLD} families its bold as well: two weights of one family are near relatives. "
        "A target only: nothing is trained on it.",
        parts={"letters": {_name(letter): letter for letter in LETTERS}, "typefaces": list(fonts)},
    )


def _fonts(work: Path) -> dict[str, ImageFont.FreeTypeFont]:
    """Open the regular of every family, then the bold of the first few that have one."""
    regular: dict[str, ImageFont.FreeTypeFont] = {}
    bold: dict[str, ImageFont.FreeTypeFont] = {}
    for name, version, sha256 in FAMILIES:
        archive = fetch_packages.npm(f"@fontsource/{name}", version, sha256, work)
        files = fetch_packages.unpack(archive, work / "glyphs" / name) / "package" / "files"
        regular[f"{name} 400"] = _open(files / f"{name}-thai-400-normal.woff2")
        if len(bold) < BOLD and (files / f"{name}-thai-700-normal.woff2").exists():
            bold[f"{name} 700"] = _open(files / f"{name}-thai-700-normal.woff2")
    return regular | bold


def _open(path: Path) -> ImageFont.FreeTypeFont:
    """Open a typeface at a size for later reduction."""
    return ImageFont.truetype(path, SIZE * SCALE, layout_engine=ImageFont.Layout.BASIC)


def _draw(font: ImageFont.FreeTypeFont, letter: str) -> NDArray[np.uint8] | None:
    """Draw a letter black on white, [28, 28]; None if the typeface lacks it."""
    ink = _ink(font, letter)
    if ink is None or ink == _ink(font, NOTDEF):
        return None
    side = SIZE - 2 * MARGIN
    width, height = (max(1, round(length * side / max(ink.size))) for length in ink.size)
    cell = Image.new("L", (SIZE, SIZE), 0)
    cell.paste(ink.resize((width, height), Image.Resampling.BOX), ((SIZE - width) // 2, (SIZE - height) // 2))
    return to_levels(255 - np.asarray(cell, dtype=np.float64))


def _ink(font: ImageFont.FreeTypeFont, letter: str) -> Image.Image | None:
    """Draw a letter large, white on black, cut to its ink."""
    side = 3 * SIZE * SCALE
    paper = Image.new("L", (side, side), 0)
    ImageDraw.Draw(paper).text((side // 3, side // 3), letter, font=font, fill=255)
    box = paper.getbbox()
    return paper.crop(box) if box else None


def _distinct(pictures: Sequence[NDArray[np.uint8] | None]) -> NDArray[np.uint8]:
    """Stack the existing images, without duplicates, in their order."""
    return np.stack(list({picture.tobytes(): picture for picture in pictures if picture is not None}.values()))


def _name(letter: str) -> str:
    """Name a letter as Unicode does, such as 'ko kai'."""
    return unicodedata.name(letter).removeprefix("THAI CHARACTER ").lower()
