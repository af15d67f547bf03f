"""Photograph the first screen of the committed leaderboard page: `python -m tests.leaderboard.picture`.

The picture is for the README. No test compares it: fonts differ between machines.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image
from tests.leaderboard.browser import chromium, open_browser

from freeshot.basics.files import atomic_path

LEADERBOARD = Path(__file__).parents[2] / "results/leaderboard"
PICTURE = LEADERBOARD / "page.png"
WIDTH, HEIGHT = 1280, 900
COLOURS = 128
"""Enough for a page of text; keeps the file small."""


def main(page: Path = LEADERBOARD / "index.html", picture: Path = PICTURE) -> None:
    """Write the picture."""
    executable = chromium()
    if executable is None:
        sys.exit("There is no Chromium; install it (Debian: apt-get install chromium) to take the picture.")
    with open_browser(executable) as browser:
        window = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        window.goto(page.as_uri())
        shot = Image.open(io.BytesIO(window.screenshot()))
    with atomic_path(picture) as temporary:
        shot.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(temporary, "PNG", optimize=True)


if __name__ == "__main__":
    main()
