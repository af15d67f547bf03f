"""The page holds the board as data, needs nothing from elsewhere, and lets no record in as markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.leaderboard.conftest import make_record

from freeshot.leaderboard import boards
from freeshot.records.models import IntervalRecord, Quality
from freeshot.render import render
from freeshot.render.html.page import SCRIPTS, html
from freeshot.render.html.rows import BINS
from freeshot.stats.intervals import student_t
from freeshot.stats.paired_tests import evidence, verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from freeshot.records.models import RunRecord

COMMITTED = Path(__file__).parents[2] / "results/leaderboard/index.html"


class Reader(HTMLParser):
    """Collects the page's tags and the text of its data block."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.data = ""
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._inside = ("id", "data") in attrs

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.data += data


def data_of(page: str) -> Any:
    return json.loads(Reader(page).data)


def test_the_page_holds_the_numbers_of_the_board(record: Callable[..., RunRecord]) -> None:
    records = [record("alpha"), record("beta", mean=0.4), record("gamma", status="failed", reason="It broke.")]
    (board,) = boards(records)
    (actual,) = data_of(render("html", records))
    assert [row["label"] for row in actual["rows"]] == [row.label for row in board.all_rows]
    cell, track = actual["rows"][0]["cells"], board.tracks[0].name
    interval = board.rows[0].cells[track].interval
    assert interval is not None
    assert (cell[track]["mean"], cell[track]["rank"]) == (pytest.approx(interval.mean), 1)
    counts = [0] * BINS
    for accuracy in board.rows[0].averages[track]:
        counts[min(int(accuracy * BINS), BINS - 1)] += 1
    assert cell[track]["histogram"] == counts
    failed = next(row for row in actual["rows"] if row["label"] == "gamma")["cells"][track]
    assert (failed["mean"], failed["mark"], failed["text"]) == (None, "failed", "failed: It broke.")


def test_the_page_compares_all_rows_that_share_a_track(record: Callable[..., RunRecord]) -> None:
    records = [record("alpha", mean=0.6), record("beta", mean=0.6, phase=1), record("floor", mean=0.2, role="floor")]
    (board,) = boards([*records, record("beta", "in-domain/other/5w1s")])
    (actual,) = data_of(html([board]))
    assert [track["name"] for track in actual["tracks"]] == ["in-domain/other/5w1s", "in-domain/sketch/5w1s"]
    labels = [row["label"] for row in actual["rows"]]
    assert sorted(actual["pairs"]) == ["0 1", "0 2", "1 2"]
    for key, (elsewhere, (mean, low, high, word, won, seeds)) in actual["pairs"].items():
        first, second = (next(row for row in board.all_rows if row.label == labels[int(i)]) for i in key.split())
        differences = first.averages["in-domain/sketch/5w1s"] - second.averages["in-domain/sketch/5w1s"]
        interval = student_t(differences)
        assert elsewhere is None
        assert (mean, low, high) == pytest.approx((interval.mean, interval.low, interval.high), abs=1e-6)
        assert (word, seeds) == (verdict(interval), False)
        assert won == evidence(differences).superiority


def test_a_cell_has_wider_intervals_and_the_recall_of_each_class(record: Callable[..., RunRecord]) -> None:
    quality = Quality(ece=0.1, brier=0.5, recall={"dog": 0.125, "cat": 1 / 3})
    spread = IntervalRecord(mean=0.5, low=0.25, high=0.75, level=0.9, covers="images")
    (actual,) = data_of(
        render("html", [record("alpha").model_copy(update={"quality": quality, "wider_intervals": (spread,)})])
    )
    cell = actual["rows"][0]["cells"]["in-domain/sketch/5w1s"]
    assert ["over images", "25.00 … 75.00, 90 %"] in cell["facts"]
    recall = actual["records"][cell["records"][0]]["quality"]["recall"]
    assert (actual["shared"][recall["names"]], recall["values"]) == (["dog", "cat"], [0.125, 1 / 3])


def test_surrogate_images_are_embedded_in_the_page(record: Callable[..., RunRecord], tmp_path: Path) -> None:
    (tmp_path / "lora-000.png").write_bytes(b"\x89PNG")
    (actual,) = data_of(html(boards([record("alpha")]), [tmp_path / "lora-000.png"]))
    assert actual["sheets"] == [{"name": "lora-000", "data": "data:image/png;base64,iVBORw=="}]


PLAIN = Reader(render("html", [make_record("alpha")])).tags


@settings(deadline=None, max_examples=30)
@given(st.text() | st.sampled_from(["</script><script>alert(1)</script>", "<!--", "]]>", "\u2028", "&lt;"]))
def test_no_record_becomes_markup(text: str) -> None:
    page = render("html", [make_record("alpha", status="failed", reason=text or "x", options={"a": text})])
    assert Reader(page).tags == PLAIN
    assert data_of(page)


def test_the_page_requests_nothing_from_elsewhere() -> None:
    page = COMMITTED.read_text(encoding="utf-8")
    before, _, rest = page.partition('<script type="application/json" id="data">')
    data, _, after = rest.partition("</script>")
    addresses = set(re.findall(r"https?://[^\s\"')]+", before + after))
    assert addresses <= {"http://www.w3.org/2000/svg"}
    links = {
        card[kind]
        for board in json.loads(data)
        for card in board["cards"].values()
        for kind in ("paper", "code")
        if card.get(kind)
    }
    assert links
    assert set(re.findall(r"https?://[^\s\"')}\\]+", data)) <= links
    assert re.findall(r"<link[^>]*>", page) == ['<link rel="icon" href="data:,">']
    assert not re.findall(r"<iframe|src=\"(?!data:)|@import|innerHTML|eval\(", page)
    assert "default-src 'none'" in page


def test_every_script_is_part_of_the_page() -> None:
    assets = files("freeshot.render.html").joinpath("assets")
    of_episodes = ("episodes",)
    assert sorted((*SCRIPTS, *of_episodes)) == sorted(
        file.name.removesuffix(".js") for file in assets.iterdir() if ".js" in file.name
    )


def test_the_committed_page_is_small() -> None:
    assert COMMITTED.stat().st_size <= 4_000_000


def test_without_records_there_is_still_a_page() -> None:
    assert data_of(html([])) == []


def test_the_page_allows_its_own_script_and_style_only() -> None:
    page = html([])
    for tag, policy in {"style": "style-src", "script": "script-src"}.items():
        text = page.rpartition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{policy} 'sha256-{digest}'" in page
    assert "unsafe" not in page
