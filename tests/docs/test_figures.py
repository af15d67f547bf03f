"""Figures can be read in light and dark, inside of a page and as a file, and request nothing."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.docs.pages import DOCS

from makers.figures import DARK, FIGURES, LIGHT

ASSETS = DOCS / "assets"
LINK = re.compile(r"(?:href|src)=\"(?!data:)|url\(|@import|https?://(?!www\.w3\.org/)")


@pytest.mark.parametrize("file", sorted(ASSETS.glob("*.svg")), ids=lambda file: file.name)
def test_a_figure_is_well_formed_and_requests_nothing(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    root = ET.fromstring(text)  # noqa: S314  written by this repository
    assert root.find("{http://www.w3.org/2000/svg}title") is not None
    assert not LINK.search(text)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_as_drawn(name: str) -> None:
    """Pixels may be compressed by another zlib, so that only the rest is compared."""
    pixels = re.compile(r"base64,[^\"]+")
    assert pixels.sub("", FIGURES[name]()) == pixels.sub("", (ASSETS / name).read_text(encoding="utf-8"))


def test_every_figure_is_shown_and_has_no_empty_line() -> None:
    """An empty line would end the HTML block of a page."""
    pages = "".join(page.read_text(encoding="utf-8") for page in DOCS.rglob("*.md"))
    for name in FIGURES:
        assert f"docs/assets/{name}" in pages
        assert "\n\n" not in (ASSETS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", [LIGHT, DARK])
@pytest.mark.parametrize("words", ["ink", "soft"])
def test_text_has_the_contrast_that_wcag_requires(scheme: dict[str, str], words: str) -> None:
    for ground in ("paper", "tint"):
        bright, dark = sorted((luminance(scheme[words]), luminance(scheme[ground])), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 4.5


def test_the_site_has_the_colours_of_the_figures() -> None:
    style = (ASSETS / "site.css").read_text(encoding="utf-8")
    for scheme in (LIGHT, DARK):
        assert all(f"--fs-{name}: {value};" in style for name, value in scheme.items())


def luminance(colour: str) -> float:
    """Return the relative luminance of '#rrggbb' (WCAG 2)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
