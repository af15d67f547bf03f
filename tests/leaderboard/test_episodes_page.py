"""The page of episodes in a real browser: keys, address, phone, dark, and hostile texts."""

from __future__ import annotations

import io
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from tests.leaderboard.conftest import SKETCH, make_record
from tests.leaderboard.page_board import HOSTILE
from tests.leaderboard.visits import PHONE, visit

from freeshot.leaderboard import boards
from freeshot.leaderboard.episode_choice import choose
from freeshot.render.html.episodes import Answer, EpisodesPage, ShownClass, ShownQuery, episodes_page, error_page

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(out, format="WEBP")
    return out.getvalue()


def make_page(
    *, served: bool, names: tuple[str, str] = ("alpha", "beta"), classes: tuple[str, ...] = ("cat", "dog")
) -> str:
    """Make a page of two rows and, unless it is served, three episodes."""
    records = [make_record(name, mean=0.5 + 0.1 * k, phase=k) for k, name in enumerate(names)]
    choice = choose(boards(records), None, SKETCH, names)
    answers = Answer(classes[0], 0.75, right=True), Answer(classes[-1], 0.5, right=False)
    queries = (ShownQuery(picture(), answers), ShownQuery(picture(), (answers[0], None)))
    shown = tuple(ShownClass(name, (picture(),), queries) for name in classes)
    accuracies = np.array([record.accuracies for record in records])
    listed = [*range(20)] if served else [4, 1, 9]
    page = EpisodesPage(
        choice, accuracies, listed, dict.fromkeys([1] if served else listed, shown), "number", HOSTILE[0], HOSTILE,
        (False, True),
        ("pocket", *HOSTILE) if served else (),
    )  # fmt: skip
    return episodes_page(page)


@pytest.mark.parametrize(("served", "scheme"), [(True, "dark"), (False, "light")])
def test_hostile_texts_fit_a_phone_and_violate_no_accessibility_rule(
    browser: Browser, tmp_path: Path, axe: str, served: bool, scheme: Any
) -> None:
    path = tmp_path / "episodes.html"
    path.write_text(make_page(served=served, classes=HOSTILE), encoding="utf-8")
    with visit(browser, path, viewport=PHONE, color_scheme=scheme) as opened:
        assert opened.page.title() == f"Episodes of {SKETCH}"
        assert opened.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        opened.page.evaluate(axe)
        violations: list[Any] = opened.page.evaluate("axe.run().then(result => result.violations)")
        assert {rule["id"]: [node["html"] for node in rule["nodes"]] for rule in violations} == {}
        assert opened.complaints == []
        assert [url for url in opened.requests if not url.startswith("data:")] == [opened.address]


def test_arrow_keys_move_between_the_episodes_and_the_address_follows(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "episodes.html"
    path.write_text(make_page(served=False), encoding="utf-8")
    with visit(browser, path) as opened:
        seen = []
        for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"):
            opened.page.keyboard.press(key)
            seen.append(opened.page.evaluate("location.hash"))
        assert seen == ["#episode-1", "#episode-9", "#episode-9", "#episode-1"]
        opened.page.get_by_role("navigation").get_by_role("link", name="4").click()
        assert opened.page.evaluate("document.querySelector(':target').id") == "episode-4"
        assert opened.complaints == []


def test_the_committed_example_is_small_and_opens_without_an_error(browser: Browser, repository: Path) -> None:
    path = repository / "docs/leaderboard/episodes.html"
    assert path.stat().st_size <= 500_000
    with visit(browser, path, viewport=PHONE) as opened:
        assert opened.page.locator("article").count() == 6
        assert opened.page.locator("figure .good").count() > 0
        assert opened.page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
        assert opened.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        assert opened.complaints == []


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes |= {name for name, _ in attrs}


def tags(text: str) -> Tags:
    parser = Tags()
    parser.feed(text)
    return parser


@pytest.mark.parametrize("hostile", HOSTILE)
def test_texts_of_records_and_data_sets_are_escaped(hostile: str) -> None:
    plain = tags(make_page(served=True))
    attacked = tags(make_page(served=True, names=(hostile, "beta"), classes=(hostile, "dog")))
    assert sorted(attacked.seen) == sorted(plain.seen)
    assert attacked.attributes == plain.attributes
    assert tags(error_page(hostile)).seen == tags(error_page("plain")).seen


def test_marks_state_prediction_and_probability_and_a_frame_where_rows_differ() -> None:
    text = make_page(served=False)
    assert text.count('<span class="good">A ✓ 75\N{NO-BREAK SPACE}%</span><span class="bad">B ✗ dog 50') == 6
    assert text.count("<figure class=differ>") == 6
    assert "No predictions of B are saved" in text


def test_a_row_alone_has_no_difference() -> None:
    record = make_record("alpha")
    choice = choose(boards([record]), None, SKETCH, ())
    text = episodes_page(EpisodesPage(choice, np.array([record.accuracies]), [0], {0: ()}, "number"))
    assert "A − B" not in text
    assert '>0 <span class="">60.0</span>' in text
