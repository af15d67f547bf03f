"""The documentation lists the data sets that there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makers.dataset_page import with_listing

if TYPE_CHECKING:
    from pathlib import Path


def test_the_page_says_what_the_classes_say(repository: Path) -> None:
    page = (repository / "docs" / "reference" / "datasets.md").read_text(encoding="utf-8")
    assert with_listing(page) == page, "Write it: python -m makers.dataset_page docs/reference/datasets.md"
