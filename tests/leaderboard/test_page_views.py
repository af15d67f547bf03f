"""Parts of the page to share, save and follow: addresses, cards, downloads, terms, comparisons."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.leaderboard.conftest import EPISODES, make_record
from tests.leaderboard.page_board import TRACKS, everything
from tests.leaderboard.visits import PHONE, Visit, shown, visit

from freeshot.leaderboard import boards
from freeshot.records.models import RunRecord
from freeshot.render.html.page import html

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page

    Action = Callable[[Page], object]

SEEN = """() => [
  ...[...document.querySelectorAll("h1, #main, #detail")].filter(e => e.checkVisibility()).map(e => e.innerText),
  ...[...document.querySelectorAll("select, input")].filter(e => e.checkVisibility()).map(e => [e.value, e.checked])
]"""
"""Every visible text and every selected value."""
BACK = """new Promise(done => {
  addEventListener("popstate", done, { once: true });
  history.back();
}).then(() => 0)"""
"""Press the back button and wait for the page to react."""


VERDICT = "alpha is better than frozen-prototype on 2 of 3 tracks and worse on none."


def pocket() -> Any:
    (board,) = (board for board in boards(everything()) if board.suite == "pocket")
    return board


def test_the_page_opens_on_the_question_with_the_best_ranks_first(fresh: Visit) -> None:
    assert "without training data and without tuning" in fresh.page.locator("#question").inner_text()
    assert fresh.rows()[:2] == ["alpha", "frozen-prototype"]
    assert not {"beta", "random"} & {*fresh.rows()}
    assert fresh.page.locator("#board .place").all_inner_texts()[:3] == ["1", "2", "–"]
    answer = fresh.page.locator("#answer").inner_text()
    assert answer.startswith("Best of 2: alpha (average rank 1.00), before frozen-prototype (")
    assert answer.endswith(VERDICT)
    fresh.page.locator("#by-class").get_by_text("real data").click()
    assert "beta" in fresh.rows()


def test_rows_with_the_same_average_rank_share_a_position(browser: Browser, tmp_path: Path) -> None:
    means = {"first": 0.7, "second": 0.6, "third": 0.6, "fourth": 0.5}
    (tmp_path / "ties.html").write_text(html(boards([make_record(n, mean=m) for n, m in means.items()])))
    with visit(browser, tmp_path / "ties.html") as page:
        assert page.page.locator("#board .place").all_inner_texts() == ["1", "2", "2", "4"]


def test_without_rows_of_the_question_a_board_opens_with_all_rows(browser: Browser, tmp_path: Path) -> None:
    records = [make_record(name, tuning_free=False) for name in ("alpha", "beta")]
    (tmp_path / "tuned.html").write_text(html(boards(records)))
    with visit(browser, tmp_path / "tuned.html") as page:
        assert page.rows() == ["alpha", "beta"]
        assert page.page.locator("#question").inner_text() == "How do the rows compare?"


VIEWS: dict[str, list[Action]] = {
    "a table": [
        lambda p: p.locator("#by-class").get_by_text("controls").click(),
        lambda p: p.locator("#by-section").get_by_text("cross-domain").click(),
        lambda p: p.locator("#search").fill("a & % ="),
        lambda p: p.locator("#search").fill("a"),
        lambda p: p.locator("[value=episodes]").check(),
        lambda p: p.get_by_label("Choose alpha").check(),
        lambda p: p.get_by_label("Choose random").check(),
        lambda p: p.get_by_role("button", name="Only these").click(),
        lambda p: p.locator("[data-key=mean]").click(),
        lambda p: p.locator("[data-key=mean]").click(),
    ],
    "pictures": [
        lambda p: p.select_option("#pair-first", "frozen-prototype"),
        lambda p: p.select_option("#pair-second", "alpha"),
        lambda p: p.select_option("#scatter-track", TRACKS[1]),
        lambda p: p.select_option("#cost-axis", "peak_mib"),
        lambda p: p.select_option("#cost-track", TRACKS[2]),
        lambda p: p.select_option("#difficulty-track", TRACKS[1]),
    ],
    "nothing": [lambda p: p.locator("#by-class").get_by_text("data-free").click()],
    "a row": [lambda p: p.locator("#board button.name").first.click()],
    "a number": [lambda p: p.locator("#board button.value").first.click()],
    "a track": [lambda p: p.locator("#board button.about").first.click()],
    "a citation": [lambda p: p.locator("#cite-link").click()],
    "another board": [lambda p: p.get_by_role("link", name="second").click()],
}


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_in_the_address(fresh: Visit, view: str) -> None:
    for act in VIEWS[view]:
        act(fresh.page)
    seen, address = fresh.page.evaluate(SEEN), fresh.page.evaluate("location.href")
    fresh.page.goto("about:blank")
    fresh.page.goto(address)
    assert fresh.page.evaluate(SEEN) == seen


def test_chosen_columns_are_in_the_address(fresh: Visit) -> None:
    fresh.page.locator("#columns summary").click()
    fresh.page.locator("#by-column").get_by_text("Cost").click()
    heads, address = fresh.heads(), fresh.page.evaluate("location.href")
    fresh.page.goto("about:blank")
    fresh.page.goto(address)
    assert fresh.heads() == heads
    assert "Cost one track" not in heads


@pytest.mark.parametrize("view", ["a row", "pictures"])
def test_the_back_button_undoes_each_step(fresh: Visit, view: str) -> None:
    seen = [fresh.page.evaluate(SEEN)]
    for act in VIEWS[view]:
        act(fresh.page)
        seen.append(fresh.page.evaluate(SEEN))
    for before in seen[-2::-1]:
        fresh.page.evaluate(BACK)
        assert fresh.page.evaluate(SEEN) == before


@pytest.mark.parametrize(
    "address", ["#nothing", "#pocket@1?sort=nothing&class=x&cols=y&open=row&open=none&a=z&x=q", "#table-region"]
)
def test_an_address_of_something_else_shows_the_board(browser: Browser, path: Path, address: str) -> None:
    with visit(browser, path) as page:
        page.page.goto(page.address + address)
        assert page.page.locator("#board thead").inner_text()
        assert not page.page.locator("#detail").is_visible()
        assert page.complaints == []


def test_a_row_leads_to_a_card_with_its_sources_options_and_numbers(fresh: Visit) -> None:
    fresh.page.locator("#board button.name").first.click()
    card = fresh.page.locator("#detail")
    for part in (
        "Average <b>all</b>. Nothing is tuned.",
        "Roe et al., Averages & more",
        "freeshot 0.1",
        "@misc{alpha,",
    ):
        assert part in card.inner_text()
    links = card.locator("a[href^=http]")
    assert links.evaluate_all("all => all.map(a => [a.innerText, a.href, a.rel])") == [
        ["Paper", "https://arxiv.org/abs/2401.00001", "noopener noreferrer"]
    ]
    assert "javascript:" not in fresh.page.content().partition('id="data"')[0]
    card.get_by_role("button", name="60.00 %").first.click()
    assert card.locator("h2").inner_text() == f"alpha on {TRACKS[0]}"


def test_a_click_anywhere_in_a_row_opens_its_card(fresh: Visit) -> None:
    fresh.page.locator("#board tbody tr").first.locator("td").nth(1).click(position={"x": 3, "y": 3})
    assert fresh.page.locator("#detail-title").inner_text() == "alpha"


def test_the_options_of_a_row_are_listed_with_changed_options_first(opened: Visit) -> None:
    opened.page.locator("#board tr", has_text="settings").locator("button.name").first.click()
    opened.page.locator("#detail .component summary").first.click()
    assert opened.page.locator("#detail .options tr.changed th").first.inner_text() == "text"


def test_a_row_with_a_missing_plugin_states_it(fresh: Visit) -> None:
    fresh.page.locator("#board button.name").nth(1).click()
    assert "Its plugin is not installed" in fresh.page.locator("#detail").inner_text()


def test_a_card_that_boards_share_is_on_each_of_them(fresh: Visit) -> None:
    fresh.page.get_by_role("link", name="second").click()
    fresh.page.get_by_role("button", name="About in-domain/dots/5w1s").click()
    assert "Doodles." in fresh.page.locator("#detail").inner_text()
    assert fresh.page.evaluate("boards.filter((board) => board.cards['dataset sketch']).length") == 1


def test_a_track_leads_to_its_question_and_its_example_pictures(fresh: Visit) -> None:
    about = fresh.page.get_by_role("button", name=f"About {TRACKS[0]}")
    about.click()
    card = fresh.page.locator("#detail")
    for part in ("Given 1 labelled picture of each of 5 new classes of 'sketch'", "CC0", "Doodles.", "<i>dog</i>"):
        assert part in card.inner_text()
    assert card.locator("img").evaluate("img => img.naturalWidth") == 1
    fresh.page.keyboard.press("Escape")
    assert about.evaluate("button => button === document.activeElement")


def test_a_number_leads_to_its_command_and_the_whole_record(fresh: Visit) -> None:
    records = [r for r in everything() if r.spec.method.name == "alpha" and r.spec.track.name == TRACKS[0]]
    fresh.page.locator("#board button.value").first.click()
    detail = fresh.page.locator("#detail")
    assert f"freeshot reproduce results/{records[0].spec.relative_path}" in detail.inner_text()
    assert "With 20 other episodes of the same images" in detail.inner_text()
    with fresh.page.expect_download() as download:
        detail.get_by_role("button", name="Download the record").click()
    saved = RunRecord.model_validate_json(Path(download.value.path()).read_text(encoding="utf-8"), strict=True)
    assert saved == records[0].model_copy(update={"log_odds": []})
    detail.locator("summary", has_text="as JSON, without its log-odds").click()
    assert json.loads(detail.locator("pre", has_text="schema_version").inner_text())["cell"] == records[0].cell


def test_every_record_is_unpacked_unchanged(fresh: Visit) -> None:
    board = pocket()
    records = [record for row in board.all_rows for record in row.records]
    unpacked = fresh.page.evaluate("state.board.records.map((_, i) => JSON.stringify(unpacked(i)))")
    for text, record in zip(unpacked, records, strict=True):
        assert RunRecord.model_validate_json(text, strict=True) == record.model_copy(update={"log_odds": []})


def downloaded(page: Visit, name: str) -> tuple[str, str]:
    page.page.locator("#downloads summary").click()
    with page.page.expect_download() as download:
        page.page.get_by_role("button", name=name).click()
    return download.value.suggested_filename, Path(download.value.path()).read_text(encoding="utf-8")


def test_the_table_is_saved_as_it_is_shown(opened: Visit) -> None:
    opened.page.locator("#search").fill("alpha")
    opened.page.locator("#by-section").get_by_text("cross-domain").click()
    name, text = downloaded(opened, "Table as CSV")
    (line,) = csv.DictReader(io.StringIO(text))
    assert name == "pocket-1.csv"
    assert (line["place"], line["row"], line["rank"], line[TRACKS[0]]) == ("1", "alpha", "1", "0.6")
    assert TRACKS[2] not in line
    name, text = downloaded(opened, "Table as JSON")
    assert json.loads(text)[0] | {} == {
        key: json.loads(value) if key not in ("row", "class", "data") else value for key, value in line.items()
    }


def test_records_and_citations_of_the_shown_rows_are_saved(fresh: Visit) -> None:
    fresh.page.locator("#search").fill("alpha")
    name, text = downloaded(fresh, "Records")
    assert name == "pocket-1-records.json"
    assert {RunRecord.model_validate(r).spec.method.name for r in json.loads(text)} == {"alpha"}
    name, text = downloaded(fresh, "BibTeX")
    assert text.startswith("@software{freeshot,")
    assert "@misc{alpha,\n  author = {Roe and others},\n  title = {Averages \\& more}" in text


def test_no_row_becomes_a_formula_of_a_spreadsheet(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "formula.html").write_text(html(boards([make_record('=cmd,"x"'), make_record("beta")])))
    with visit(browser, tmp_path / "formula.html") as page:
        _, text = downloaded(page, "Table as CSV")
    assert {line["row"] for line in csv.DictReader(io.StringIO(text))} == {'\'=cmd,"x"', "beta"}


def test_columns_are_chosen(fresh: Visit) -> None:
    fresh.page.locator("#columns summary").click()
    fresh.page.locator("#by-column").get_by_text("Mean").click()
    assert "Mean all tracks" not in fresh.heads()
    fresh.page.get_by_role("button", name="All columns").click()
    assert "Mean all tracks" in fresh.heads()
    fresh.page.keyboard.press("Escape")
    assert not fresh.page.locator("#by-column").is_visible()


def test_two_chosen_rows_are_compared(fresh: Visit) -> None:
    for name in ("frozen-prototype", "alpha"):
        fresh.page.get_by_label(f"Choose {name}").check()
    fresh.page.get_by_role("button", name="Compare").click()
    assert fresh.page.locator("#pair-first").input_value() == "frozen-prototype"
    assert fresh.page.locator("#pair-second").input_value() == "alpha"
    assert fresh.page.locator("#pair-verdict").inner_text() == VERDICT
    fresh.page.get_by_role("button", name="Clear").click()
    assert not fresh.page.locator("#picked").is_visible()


def test_dialogs_lead_to_each_other_and_close(fresh: Visit) -> None:
    title, detail = fresh.page.locator("#detail-title"), fresh.page.locator("#detail")
    fresh.page.locator("#board button.value").first.click()
    detail.get_by_role("button", name="About the track").click()
    assert title.inner_text() == TRACKS[0]
    detail.get_by_role("button", name="alpha").click()
    assert title.inner_text() == "alpha"
    detail.get_by_role("button", name="60.00 %").first.click()
    detail.get_by_role("button", name="About the row").click()
    assert title.inner_text() == "alpha"
    detail.get_by_role("button", name="Close").click()
    assert not detail.is_visible()
    assert "open=" not in fresh.page.evaluate("location.href")
    fresh.page.locator("#board button.about").first.click()
    detail.get_by_role("button", name="Sort the table by this track").click()
    assert not detail.is_visible()
    assert fresh.page.locator("[aria-sort=descending] button").first.get_attribute("data-key") == TRACKS[0]
    fresh.page.locator("#board button.name").first.click()
    fresh.page.mouse.click(5, 5)
    assert not detail.is_visible()


def test_the_view_can_be_reset(fresh: Visit) -> None:
    start = fresh.page.evaluate(SEEN)
    for act in VIEWS["a table"] + VIEWS["pictures"][:3]:
        act(fresh.page)
    assert fresh.page.evaluate(SEEN) != start
    fresh.page.get_by_role("button", name="Reset view").click()
    assert fresh.page.evaluate(SEEN) == start
    assert fresh.page.evaluate("location.href").endswith("#pocket@1")


def test_a_track_of_the_comparison_shows_its_episodes(fresh: Visit) -> None:
    fresh.page.locator("#pair tbody th button").nth(2).click()
    assert fresh.page.locator("#scatter-track").input_value() == TRACKS[2]


def test_the_scatter_has_every_episode(fresh: Visit) -> None:
    fresh.page.select_option("#pair-first", "alpha")
    fresh.page.select_option("#pair-second", "frozen-prototype")
    first, second = pocket().rows[:2]
    dots: list[str] = fresh.page.locator("#scatter circle title").evaluate_all("all => all.map(t => t.textContent)")
    pairs = [
        (f"{100 * a:.2f}", f"{100 * b:.2f}")
        for a, b in zip(first.averages[TRACKS[0]], second.averages[TRACKS[0]], strict=True)
    ]
    counted = {f"{pairs.count(p)} episode{'s' * (pairs.count(p) > 1)}: A {p[0]} %, B {p[1]} %" for p in pairs}
    assert (first.label, second.label, len(pairs)) == ("alpha", "frozen-prototype", EPISODES)
    assert set(dots) == counted
    assert len(dots) == len(counted)


def test_of_many_rows_the_first_are_compared_and_a_note_states_it(browser: Browser, tmp_path: Path) -> None:
    records = [make_record(f"row-{i:02}", mean=0.9 - i / 100) for i in range(42)]
    (tmp_path / "many.html").write_text(html(boards(records)))
    with visit(browser, tmp_path / "many.html") as page:
        assert page.page.locator("#pair-first option").count() == 40
        assert "first 40 rows; for others: freeshot compare" in page.page.locator("#pair-note").inner_text()
        assert page.page.locator("#wins > li").count() == 40


def test_a_term_is_explained_under_the_pointer_and_on_focus_and_escape_hides_it(fresh: Visit) -> None:
    tip = fresh.page.locator("#tip")
    fresh.page.locator("#by-class label").first.hover()
    assert tip.inner_text().startswith("The question of this benchmark")
    fresh.page.keyboard.press("Escape")
    assert not tip.is_visible()
    fresh.page.locator("[data-key=cost]").focus()
    assert tip.inner_text().startswith("Time to prepare and evaluate")
    assert fresh.page.locator("[data-key=cost]").get_attribute("aria-describedby") == "tip"
    fresh.page.locator("#board button.name").first.click()
    fresh.page.locator("#detail .term", has_text="strict").focus()
    assert tip.inner_text().startswith("Uses the LoRAs and the frozen backbone only")
    fresh.page.keyboard.press("Escape")
    assert fresh.page.locator("#detail").is_visible()
    fresh.page.keyboard.press("Escape")
    assert not fresh.page.locator("#detail").is_visible()


def test_every_word_of_a_chip_or_a_tag_is_explained(opened: Visit) -> None:
    words = opened.page.evaluate(
        "[...document.querySelectorAll('fieldset:not(#by-column) [data-term], #board [data-term]')]"
        ".map(e => e.dataset.term)"
    )
    assert {"strict", "controls", "black box", "floor", "rank", "in-domain"} <= {*words}
    assert opened.page.evaluate("words => words.filter(word => !TERMS.has(word))", words) == []


def test_the_legend_explains_the_marks_in_use(opened: Visit) -> None:
    marks = opened.page.locator("#legend b").all_inner_texts()
    assert marks == ["(3)", "shaded", "–", "failed", "void", "skipped"]


def test_the_contents_lead_to_each_section(fresh: Visit) -> None:
    names = fresh.page.locator("#contents a").all_inner_texts()
    assert names == [
        "Ranking",
        "Cost",
        "Two rows",
        "Across tracks",
        "Difficulty",
        "Reported",
        "Surrogates",
        "Words and marks",
    ]
    fresh.page.get_by_role("link", name="Difficulty").click()
    # not by wait_for_function, whose evaluation of a text the page's own policy forbids
    for _ in range(100):
        if fresh.page.evaluate("document.querySelector('#difficulty-section').getBoundingClientRect().top < 100"):
            return
        fresh.page.wait_for_timeout(50)
    pytest.fail("The section is not at the top of the window.")


def test_a_text_is_copied_or_selected(browser: Browser, path: Path) -> None:
    with visit(browser, path) as page:
        page.page.locator("#cite-link").click()
        page.page.get_by_role("button", name="Copy BibTeX of FreeShot").click()
        assert page.page.evaluate("getSelection().toString()").startswith("@software{freeshot")
        page.page.get_by_text("Copied").wait_for()


def test_the_keyboard_reaches_and_opens_everything(fresh: Visit) -> None:
    page = fresh.page
    page.locator("#skip").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "table-region"
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("(e => e.className || e.dataset.key || e.type)(document.activeElement)"))
    assert {"row", "rank", "mean", "cost", TRACKS[0], "about", "checkbox", "name", "value"} <= {*reached}
    page.locator("#board button.value").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#detail").is_visible()
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.className") == "value"


def test_on_a_phone_no_content_is_off_the_screen(browser: Browser, path: Path) -> None:
    with visit(browser, path, viewport=PHONE) as page:
        for selector in ("#board tbody tr > *", "#pair tbody td:nth-child(4)", "#pair .bar", "#contents a", "#answer"):
            edges = page.page.locator(selector).evaluate_all(
                "all => all.map(e => e.getBoundingClientRect()).map(b => [b.left, b.right])"
            )
            assert edges
            assert all(0 <= left <= right <= PHONE["width"] for left, right in edges), selector
        page.page.locator("#board button.name").first.click()
        assert page.page.locator("#detail .tracks li").count() == len(TRACKS)


def test_a_board_without_a_ranking_has_only_the_sections_it_can_show(fresh: Visit) -> None:
    fresh.page.get_by_role("link", name="second").click()
    shown(fresh, 1)
    assert fresh.page.locator("#contents a").all_inner_texts() == ["Ranking", "Cost", "Words and marks"]


def test_invisible_characters_of_a_record_are_not_rendered(opened: Visit) -> None:
    names = opened.page.locator("#board tr", has_text="settings").locator("button.name")
    for i in range(names.count()):
        names.nth(i).click()
        for summary in opened.page.locator("#detail summary").all():
            summary.click()
        text: str = opened.page.locator("#detail").inner_text()
        assert text.replace("\n", "").replace("\t", "").isprintable()
        opened.page.keyboard.press("Escape")
    hidden = opened.page.evaluate("jsonOf({ a: '\\u202e\\u{e0041}b' })")
    assert (hidden.isascii(), json.loads(hidden)) == (True, {"a": "\u202e\U000e0041b"})
