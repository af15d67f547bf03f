"""The documentation lists all data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makers.dataset_page import with_listing

if TYPE_CHECKING:
    from pathlib import Path


def test_the_page_is_generated_from_the_classes(repository: Path) -> None:
    page = (repository / "docs" / "reference" / "datasets.md").read_text(encoding="utf-8")
    assert with_listing(page) == page, "Write it: python -m makers.dataset_page docs/reference/datasets.md"
