"""The built site in a browser: nothing is requested from elsewhere, nothing overflows a phone, search and copying work.

`make docs` installs its dependencies; without them these tests are skipped.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from tests.docs.pages import DOCS
from tests.leaderboard.browser import chromium, open_browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHECKED = ("index", "choose", "concepts", "methods/index", "methods/free", "reference/interfaces/methods", "tutorial")

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="the site needs pip install '.[docs]'"),
    pytest.mark.skipif(chromium() is None, reason="there is no Chromium"),
]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Build the site and serve it."""
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(build, cwd=DOCS.parent, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = chromium()
    assert executable is not None
    with open_browser(executable) as opened:
        yield opened


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context.new_page()
    context.close()


def narrow(page: Page) -> None:
    """Give the page the width of a phone."""
    page.set_viewport_size({"width": 390, "height": 800})


def test_pages_fit_a_phone_and_request_nothing_from_elsewhere(site: str, page: Page) -> None:
    problems: list[str] = []
    page.on("request", lambda r: problems.append(r.url) if not r.url.startswith((site, "data:", "blob:")) else None)
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    narrow(page)
    for name in CHECKED:
        page.goto(f"{site}/{name}.html")
        page.wait_for_load_state("networkidle")
        wider = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert (name, wider, problems) == (name, 0, [])


def test_the_figure_of_a_phone_replaces_the_wide_one(site: str, page: Page) -> None:
    page.goto(f"{site}/index.html")
    assert (page.is_visible(".wide svg"), page.is_visible(".tall svg")) == (True, False)
    narrow(page)
    assert (page.is_visible(".wide svg"), page.is_visible(".tall svg")) == (False, True)


def test_search_leads_to_pages(site: str, page: Page) -> None:
    page.goto(f"{site}/index.html")
    page.fill(".md-search__input", "surrogate")
    page.wait_for_selector(".md-search-result__item")
    assert "concepts.html" in str(page.eval_on_selector_all(".md-search-result__link", "all => all.map(a => a.href)"))


def test_commands_are_copied_without_their_output(site: str, page: Page) -> None:
    page.goto(f"{site}/tutorial.html")
    block = page.locator(".language-console", has_text="plugin new busy-patches")
    block.locator(".md-code__button").first.click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.splitlines() == [
        "freeshot plugin new busy-patches --kind strategy",
        "freeshot plugin check freeshot-busy-patches/freeshot_busy_patches.py",
    ]


def test_the_entry_links_of_the_start_page_lead_to_pages(site: str, page: Page) -> None:
    for text in ("I have LoRAs", "I have a method", "I want to read results"):
        page.goto(f"{site}/index.html")
        page.click(f".doors a:has-text('{text}')")
        assert page.title() != "FreeShot"
        assert page.inner_text("h1")
