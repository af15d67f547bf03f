"""The messages of the troubleshooting page are those of the sources."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest
from tests.docs.pages import DOCS

FOLDERS = ("benchmark/freeshot", "plugins", "baselines")
QUOTED = re.compile(r"^`([^`\n]+)`\n:   ", re.MULTILINE)
MESSAGES = QUOTED.findall((DOCS / "troubleshooting.md").read_text(encoding="utf-8"))


@cache
def texts() -> tuple[str, ...]:
    """List the texts of the sources, with `…` for each field that is filled in."""
    return tuple(
        text
        for folder in FOLDERS
        for file in (DOCS.parent / folder).rglob("*.py")
        for text in _texts(file.read_text("utf-8"))
    )


def _texts(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_there_are_messages() -> None:
    assert len(MESSAGES) > 20


@pytest.mark.parametrize("message", MESSAGES)
def test_a_quoted_message_is_one_of_the_sources(message: str) -> None:
    assert any(message in text for text in texts())
