"""A page in a real browser, with its requests and its console messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PHONE: Any = {"width": 390, "height": 800}


@dataclass
class Visit:
    """An open page, with its requests and its console messages."""

    page: Page
    address: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def rows(self) -> list[str]:
        """List the names of the rows, from the top."""
        actual: list[str] = self.page.eval_on_selector_all(
            "#board tbody tr", "rows => rows.map(row => row.querySelector('.name').title)"
        )
        return actual

    def heads(self) -> list[str]:
        """List the titles of the columns."""
        actual: list[str] = self.page.eval_on_selector_all(
            "#board thead button", "all => all.map(button => button.innerText.replace(/\\s+/g, ' '))"
        )
        return actual


@contextmanager
def visit(browser: Browser, path: Path, **options: Any) -> Iterator[Visit]:
    """Open a page from a file in its own window."""
    context = browser.new_context(**options)
    context.set_default_timeout(5000)
    actual = Visit(context.new_page(), path.as_uri())
    actual.page.on("request", lambda request: actual.requests.append(request.url))
    actual.page.on("console", lambda message: actual.complaints.append(message.text))
    actual.page.on("pageerror", lambda error: actual.complaints.append(str(error)))
    actual.page.goto(actual.address)
    yield actual
    context.close()


def shown(opened: Visit, rows: int) -> None:
    """Wait until the table has so many rows."""
    from playwright.sync_api import expect

    expect(opened.page.locator("#board tbody tr")).to_have_count(rows)
