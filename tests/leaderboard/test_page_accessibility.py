"""The page keeps axe-core's rules with each dialog open, and fits a phone, a tablet and a desktop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.leaderboard.visits import visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

STATES = {
    "the page": "0",
    "all rows, two of them chosen": "go({ class: state.board.classes, pick: ['alpha', 'beta'] })",
    "a row": "go({ open: ['row', 'alpha'] })",
    "a number": "go({ open: ['cell', 'alpha', state.board.tracks[0].name] })",
    "a track": "go({ open: ['track', state.board.tracks[0].name] })",
    "a citation": "go({ open: ['cite'] })",
    "another board": "go({ ...START, board: boards[1] })",
}


@pytest.mark.parametrize(
    ("width", "scheme", "states"), [(390, "dark", [*STATES]), (1280, "light", ["all rows, two of them chosen"])]
)
def test_no_accessibility_rule_is_violated(
    browser: Browser, path: Path, axe: str, width: int, scheme: Any, states: list[str]
) -> None:
    size: Any = {"width": width, "height": 800}
    with visit(browser, path, viewport=size, color_scheme=scheme, reduced_motion="reduce") as page:
        page.page.evaluate(axe)
        for name in states:
            page.page.evaluate(f"void {STATES[name]}")
            violations: list[Any] = page.page.evaluate("axe.run().then(result => result.violations)")
            broken = {rule["id"]: [node["html"] for node in rule["nodes"]] for rule in violations}
            assert broken == {}, name
        assert page.complaints == []


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_no_state_is_wider_than_the_window(browser: Browser, path: Path, width: int) -> None:
    size: Any = {"width": width, "height": 800}
    with visit(browser, path, viewport=size) as page:
        for name, change in STATES.items():
            page.page.evaluate(f"void {change}")
            assert page.page.evaluate("document.documentElement.scrollWidth") == width, name
            inside = page.page.evaluate("(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(detail)")
            assert inside == 0, name
        assert page.complaints == []
