"""Every name that a plugin may import from the facade is in the reference."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from tests.docs.pages import DOCS

import freeshot

MAKERS = {"build-data"}
"""Extras that no user needs."""
ELSEWHERE = {"__version__", "hookimpl"}
"""Names that are shown by their use."""


@pytest.mark.parametrize("name", sorted(set(freeshot.__all__) - ELSEWHERE))
def test_a_public_name_is_in_the_reference_once(name: str) -> None:
    pages = [page.read_text(encoding="utf-8") for page in (DOCS / "reference").rglob("*.md")]
    assert sum(len(re.findall(rf"^::: freeshot\.{name}$", page, re.MULTILINE)) for page in pages) == 1


def test_every_extra_is_on_the_page_about_installing(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = re.findall(
        r"^\| `([a-z-]+)` \|.*pip install", (DOCS / "install.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert set(listed) == set(project["optional-dependencies"]) - MAKERS
