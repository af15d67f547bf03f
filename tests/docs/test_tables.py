"""The tables of the documentation are what records and plugins say, and name every method."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.docs.pages import DOCS
from tests.docs.tables import LISTED, PAGES

from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import load_plugins


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_table_is_that_of_records_and_plugins(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert PAGES[page](text) == text, "Write it again with: python -m tests.docs.tables"


def test_every_method_is_listed_once() -> None:
    listed = [row[2] for row in LISTED.finditer((DOCS / "methods" / "index.md").read_text(encoding="utf-8"))]
    assert sorted(listed) == sorted(Catalogue(load_plugins()).names("method"))


def test_every_page_is_in_the_navigation(repository: Path) -> None:
    navigation = (repository / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md") if "examples" not in page.parts]
    assert [page for page in pages if f": {page}\n" not in navigation] == []
