"""A real browser without a window, for the page's test and its picture: the system's Chromium, and no download."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str | None:
    """Find the system's Chromium."""
    return next((actual for name in NAMES if (actual := shutil.which(name))), None)


@contextmanager
def open_browser(executable: str) -> Iterator[Browser]:
    """Start Chromium; root in a container has no sandbox, and the pages are our own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu", "--force-device-scale-factor=1"]
        )
        try:
            yield browser
        finally:
            browser.close()
