"""The page in a real browser: what a reader clicks, types and sees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.leaderboard.conftest import INSTALLED, make_record
from tests.leaderboard.page_board import HOSTILE, TRACKS, everything, full
from tests.leaderboard.visits import PHONE, Visit, shown, visit

from freeshot.leaderboard import boards
from freeshot.leaderboard.across_tracks import standings
from freeshot.leaderboard.pairwise import intervals_over_seeds
from freeshot.render.html.page import html
from freeshot.stats.intervals import paired_difference

if TYPE_CHECKING:
    from playwright.sync_api import Browser

COMMITTED = Path(__file__).parents[2] / "results/leaderboard/index.html"
LABELS = "all => all.map(text => text.firstChild.data)"


def test_the_committed_page_opens_without_an_error_or_a_request_and_fits_a_phone(browser: Browser) -> None:
    with visit(browser, COMMITTED, viewport=PHONE) as actual:
        for link in actual.page.query_selector_all("#boards a"):
            link.click()
            assert actual.rows()
            assert actual.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        assert actual.complaints == []
        assert {url.partition("#")[0] for url in actual.requests if not url.startswith("data:")} == {actual.address}


def test_a_click_sorts_and_another_reverses_the_order(opened: Visit) -> None:
    head = opened.page.locator("#board thead th", has_text="flags")
    head.locator("[data-key]").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert opened.rows()[:4] == ["alpha", "frozen-prototype", "beta", "random"]
    head.locator("[data-key]").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert opened.rows()[:4] == ["random", "beta", "frozen-prototype", "alpha"]
    assert opened.page.locator("[aria-sort]").count() == 1


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_a_key_sorts_and_the_focus_stays(opened: Visit, key: str) -> None:
    opened.page.locator("[data-key=row]").focus()
    opened.page.keyboard.press(key)
    ascending = opened.rows()
    opened.page.keyboard.press(key)
    assert [row for row in ascending if row in ("alpha", "beta", "random")] == ["alpha", "beta", "random"]
    assert opened.rows() == ascending[::-1]
    assert opened.page.evaluate("document.activeElement.dataset.key") == "row"


@pytest.mark.parametrize(
    ("group", "value", "gone"),
    [
        ("by-class", "real data", ["beta"]),
        ("by-free", "real data", ["beta"]),
        ("by-class", "controls", ["random"]),
    ],
)
def test_an_unchecked_tag_hides_its_rows(opened: Visit, group: str, value: str, gone: list[str]) -> None:
    before = opened.rows()
    opened.page.locator(f"#{group} input[value='{value}']").uncheck()
    assert [row for row in before if row not in opened.rows()] == gone
    opened.page.get_by_role("button", name="Show all").click()
    shown(opened, len(before))


@pytest.mark.parametrize(("group", "value"), [("by-section", "cross-domain"), ("by-shot", "5-shot")])
def test_an_unchecked_section_or_shot_hides_its_columns(opened: Visit, group: str, value: str) -> None:
    before = opened.heads()
    opened.page.locator(f"#{group} input[value='{value}']").uncheck()
    hidden = set(before) - set(opened.heads()) - {"Mean all tracks"}
    assert len(hidden) == 1
    assert ("flags" if group == "by-section" else "5-shot") in hidden.pop()
    assert "2 of 3 tracks" in opened.page.locator("#count").inner_text()


def test_the_search_leaves_the_rows_that_hold_all_its_words(opened: Visit) -> None:
    opened.page.locator("#search").fill("FROZEN proto")
    assert opened.rows() == ["frozen-prototype"]
    opened.page.locator("#search").fill("nothing like this")
    assert opened.rows() == []


def test_a_number_opens_its_details_and_escape_closes_them(opened: Visit) -> None:
    opened.page.locator("#board tbody tr", has_text="alpha").locator("button.value").first.click()
    message = opened.page.locator("#detail").inner_text()
    for part in ("over images", "40.00 … 80.00", "expected calibration error", "6.25 %", "Episodes by accuracy"):
        assert part in message
    assert message.index("<b>dog</b>") < message.index("cat")
    opened.page.keyboard.press("Escape")
    assert not opened.page.locator("#detail").is_visible()


def test_cells_show_intervals_or_episodes(opened: Visit) -> None:
    cells = opened.page.locator("#board button.value", has_text=".")
    opened.page.locator("[value=episodes]").check()
    assert opened.page.locator("#board .spark").count() == cells.count()
    assert opened.page.locator("#board .bar").count() == 0
    opened.page.get_by_role("button", name="Show all").click()
    opened.page.locator("#board .bar").first.wait_for()


@pytest.mark.parametrize(
    ("row", "word", "reason"),
    [
        ("broken", "failed", "It broke <here>."),
        ("cheat", "void", "It opened test images."),
        ("lazy", "skipped", "It needs five shots."),
    ],
)
def test_a_cell_without_a_number_shows_its_reason(opened: Visit, row: str, word: str, reason: str) -> None:
    button = opened.page.locator("#board tbody tr", has_text=row).locator("button.value")
    assert button.inner_text() == word
    button.click()
    assert reason in opened.page.locator("#detail").inner_text()


def test_a_row_opens_its_provenance(opened: Visit) -> None:
    opened.page.locator("#board button.name", has_text="alpha").click()
    message = opened.page.locator("#detail").inner_text()
    for part in ("FreeShot 0.1", "Python 3.11", "43 s to prepare", "peak 300 MiB", "on AMD EPYC"):
        assert part in message


def test_any_two_rows_are_compared_as_in_python(opened: Visit) -> None:
    (board,) = (board for board in boards(everything()) if board.suite == "pocket")
    rows = {row.label: row for row in board.all_rows}
    first, second = alpha, beta = rows["alpha"], rows["beta"]
    opened.page.select_option("#pair-first", first.label)
    opened.page.select_option("#pair-second", second.label)
    for track, line in zip(TRACKS, opened.page.locator("#pair tbody tr").all(), strict=True):
        expected = paired_difference(alpha.averages[track], beta.averages[track])
        assert line.locator("th").inner_text() == track
        assert line.locator("td").first.inner_text() == f"+{100 * expected.mean:.2f} ± {100 * expected.half_width:.2f}"
        assert line.locator("td").nth(2).inner_text() == ("▲ A is better" if expected.low > 0.005 else "? undecided")
    opened.page.get_by_role("button", name="Swap").click()
    assert opened.page.locator("#pair tbody td").first.inner_text().startswith("−")


def test_where_rows_share_seeds_the_interval_is_over_them_too(browser: Browser, tmp_path: Path) -> None:
    records = [
        make_record(method, mean=(mean + 2 * seed) / 75, phase=seed * at, wobble=(at + 1) / 15, seed=seed)
        for at, (method, mean) in enumerate({"alpha": 45, "beta": 40}.items())
        for seed in (0, 1, 2)
    ]
    (board,) = boards(records)
    alpha, beta = board.rows
    (expected,) = intervals_over_seeds((alpha, beta), TRACKS[0], [(0, 1)])
    assert expected is not None
    (tmp_path / "index.html").write_text(html([board]), encoding="utf-8")
    with visit(browser, tmp_path / "index.html") as actual:
        line = actual.page.locator("#pair tbody td").first
        assert line.inner_text() == f"+{100 * expected.mean:.2f} ± {100 * expected.half_width:.2f}"
        actual.page.get_by_role("button", name="Swap").click()
        assert line.inner_text() == f"−{100 * expected.mean:.2f} ± {100 * expected.half_width:.2f}"
        assert "over episodes and training seeds" in actual.page.locator("#pair-note").inner_text()


def test_standings_across_tracks_are_those_of_the_report(opened: Visit) -> None:
    (board,) = (board for board in boards(everything()) if board.suite == "pocket")
    actual = standings(board)
    assert actual is not None
    message = opened.page.locator("#standings-plot svg").get_attribute("aria-label") or ""
    for label, rank in zip(actual.rows, actual.average_ranks, strict=True):
        assert f"{label} {rank:.2f}" in message
    apart = [clique for clique in actual.cliques if len(clique) < len(actual.rows)]
    assert opened.page.locator("#standings-plot line.thick").count() == len(apart)
    for i, line in enumerate(opened.page.locator("#wins > li").all()):
        line.locator("summary").first.click(timeout=500) if line.locator("summary").count() else None
        ahead = [label for j, label in enumerate(actual.rows) if i != j and actual.wins[i][j].low > 0.5]
        assert line.locator("button").first.inner_text() == actual.rows[i]
        for label in ahead:
            assert f"{label}: wins" in line.inner_text()
    assert opened.page.locator("#cautions li").all_inner_texts() == list(actual.cautions)


def test_the_points_of_the_cost_plot_are_reached_by_keyboard(opened: Visit) -> None:
    dots = opened.page.locator("#cost-plot circle.dot")
    assert dots.count() == 4
    assert opened.page.locator("#cost-plot polyline.front").get_attribute("points")
    dots.first.focus()
    message = dots.first.get_attribute("aria-label")
    assert message is not None
    opened.page.keyboard.press("Enter")
    assert opened.page.locator("#detail-title").inner_text() == message.partition(":")[0]


def test_costs_of_another_device_are_marked_and_dimmed_with_the_reason(browser: Browser, tmp_path: Path) -> None:
    rows = [
        make_record(name, device="NVIDIA H200" if name == "gamma" else "AMD EPYC")
        for name in ("alpha", "beta", "gamma")
    ]
    (tmp_path / "index.html").write_text(html(boards(rows)), encoding="utf-8")
    with visit(browser, tmp_path / "index.html") as actual:
        costs = actual.page.locator("#board tbody td:nth-child(4)")
        assert [text.endswith("†") for text in costs.all_inner_texts()].count(True) == 1
        assert actual.page.locator("#board td[title]").get_attribute("title") == "on NVIDIA H200; most rows on AMD EPYC"
        solid, dimmed = (actual.page.locator(f"#cost-plot circle.dot{kind}") for kind in (":not(.dimmed)", ".dimmed"))
        assert (solid.count(), dimmed.count()) == (2, 1)
        assert "another device than AMD EPYC: gamma." in actual.page.locator("#cost-note").inner_text()
        assert "on NVIDIA H200, which does not compare" in (dimmed.get_attribute("aria-label") or "")
        actual.page.locator("#cost-axis").select_option("peak_mib")
        assert (solid.count(), dimmed.count()) == (2, 1)
        actual.page.locator("#cost-device").select_option("NVIDIA H200")
        assert (solid.count(), dimmed.count()) == (1, 2)


def test_accuracy_is_drawn_against_any_cost_that_was_counted(opened: Visit) -> None:
    axis = opened.page.locator("#cost-axis")
    offered = axis.locator("option").all_inner_texts()
    assert [text for text in offered if "operations" in text] == [
        "operations to prepare a track",
        "operations of one task",
    ]
    assert "images sent to LoRAs" not in offered
    axis.select_option("task_flops")
    dots = opened.page.locator("#cost-plot circle.dot")
    assert dots.count() == 3  # the floor's records count nothing
    message = dots.evaluate_all("dots => dots.map((dot) => dot.getAttribute('aria-label'))")
    assert all("3 GFLOP" in label for label in message)
    axis.select_option("prepare_flops")
    assert "4 TFLOP" in (dots.first.get_attribute("aria-label") or "")


def test_a_row_with_black_box_loras_can_be_filtered(opened: Visit) -> None:
    def shown() -> str:
        return opened.page.locator("#board tbody").inner_text()

    assert "alpha" in shown()
    opened.page.locator("#by-pool").get_by_text("black box").click()
    assert "alpha" not in shown()
    assert "beta" in shown()


def test_a_transductive_row_has_a_tag_and_can_be_filtered(opened: Visit) -> None:
    row = opened.page.locator("#board tbody tr", has_text="beta")
    assert "transductive" in row.locator(".tags").inner_text()
    opened.page.locator("#by-queries").get_by_text("transductive").click()
    assert row.count() == 0
    assert "alpha" in opened.page.locator("#board tbody").inner_text()


def test_difficulty_is_drawn_from_the_reference_rows_log_odds(opened: Visit) -> None:
    assert "frozen-prototype" in opened.page.locator("#difficulty-note").inner_text()
    assert opened.page.locator("#difficulty-plot polyline").count() == 4


def test_of_many_rows_a_few_and_the_reference_are_in_colour_and_a_search_brings_others(
    browser: Browser, tmp_path: Path
) -> None:
    names = [f"row-{i:02}" for i in range(20)] + ["frozen-prototype"]
    records = [full(make_record(name, TRACKS[0], 0.8 - i / 50), 3) for i, name in enumerate(names)]
    (tmp_path / "many.html").write_text(html(boards(records, INSTALLED)), encoding="utf-8")

    def named(page: Visit) -> list[str]:
        return sorted(page.page.locator("#difficulty-plot svg > text:has(title)").evaluate_all(LABELS))

    with visit(browser, tmp_path / "many.html") as page:
        assert page.page.locator("#difficulty-plot polyline").count() == 21
        assert named(page) == ["frozen-prototype", *names[:7]]
        heights = page.page.locator("#difficulty-plot svg > text:has(title)").evaluate_all(
            "all => all.map(t => +t.getAttribute('y'))"
        )
        assert max(heights) <= 320 - 36
        page.page.locator("#search").fill("row-15")
        assert named(page) == ["row-15"]
        assert page.complaints == []


def test_reported_numbers_and_surrogate_images_are_shown(opened: Visit) -> None:
    assert opened.page.locator("#published tbody").inner_text().split("\t") == ["Theirs", "62.50", "A paper, Table 2"]
    assert "Theirs" not in opened.page.locator("#board").inner_text()
    assert opened.page.evaluate("document.querySelector('#sheets img').naturalWidth") == 1


def test_another_board_has_its_own_address_and_shows_only_its_sections(opened: Visit) -> None:
    opened.page.get_by_role("link", name="second").click()
    shown(opened, 1)
    assert opened.rows() == ["other"]
    assert opened.page.evaluate("location.hash") == "#second@1"
    for part in ("pair", "standings", "difficulty", "published", "sheets"):
        assert not opened.page.locator(f"#{part}-section").is_visible()


def test_hostile_texts_stay_texts(opened: Visit) -> None:
    rows = opened.rows()
    for text in HOSTILE:
        assert " ".join("".join(c if c.isprintable() else " " for c in text).split()) in rows
    for button in opened.page.locator("#board tbody tr", has_text="30.00").locator("button.name").all()[:5]:
        button.click()
        opened.page.keyboard.press("Escape")
    assert opened.page.title() == "FreeShot leaderboard"
    assert opened.page.locator("img:not(#sheets img), b b, script").count() == 2  # the data and the script
    assert opened.page.evaluate("document.dir") == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(opened: Visit, scheme: Any) -> None:
    opened.page.emulate_media(color_scheme=scheme)
    pale = opened.page.evaluate(CONTRASTS)
    opened.page.locator("#board tbody tr", has_text="alpha").locator("button.value").first.click()
    pale += opened.page.evaluate(CONTRASTS)
    background = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert [text for text in pale if text["contrast"] < 4.5] == []
    assert len(pale) > 100
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")


def test_a_phone_scrolls_down_only(browser: Browser, path: Path) -> None:
    with visit(browser, path, viewport=PHONE) as actual:
        assert not actual.page.locator("#search").is_visible()
        actual.page.locator("#filter-box > summary").click()
        assert actual.page.locator("#search").is_visible()
        actual.page.locator("#board button.name", has_text="xxxx").last.click()
        assert actual.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        inside = actual.page.evaluate(
            "(({ scrollWidth, clientWidth }) => [scrollWidth, clientWidth])(document.all.detail)"
        )
        assert inside[0] == inside[1]


def test_a_printed_page_shows_the_tables_without_controls(opened: Visit) -> None:
    opened.page.emulate_media(media="print")
    assert not opened.page.locator("#filters").is_visible()
    assert opened.page.locator("#board").is_visible()
    opened.page.emulate_media(media="screen")


def test_only_the_scripts_of_the_page_run(browser: Browser, path: Path, tmp_path: Path) -> None:
    page = path.read_text(encoding="utf-8").replace("</body>", "<script>document.title = 'taken'</script></body>")
    (tmp_path / "taken.html").write_text(page, encoding="utf-8")
    with visit(browser, tmp_path / "taken.html") as actual:
        assert actual.page.title() == "FreeShot leaderboard"
        assert "Content Security Policy" in json.dumps(actual.complaints)


CONTRASTS = """() => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => [r, g, b].map(v => linear(v / 255))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const contrasts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, text = walker.currentNode.data.trim();
    if (!text || !element.checkVisibility() || element.closest("script, option, title")) continue;
    const style = getComputedStyle(element);
    const [x, y] = [light(parse(element.closest("svg") ? style.fill : style.color)), light(behind(element))];
    contrasts.push({ text: text.slice(0, 40), contrast: (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05) });
  }
  return contrasts;
}"""  # contrast as WCAG 2.2 defines it
