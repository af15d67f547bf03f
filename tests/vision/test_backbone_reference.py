"""The page of backbones is generated from the classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from makers import backbone_page

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("part", ["networks", "options", "numbers"])
def test_the_page_shows_the_values_of_the_classes(repository: Path, part: str) -> None:
    page = (repository / "docs/reference/backbones.md").read_text(encoding="utf-8")
    assert getattr(backbone_page, part)() in page, "Write it again with: python -m makers.backbone_page"
