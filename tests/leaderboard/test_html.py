"""The page holds the board as data, needs nothing from elsewhere, and lets no record in as markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.leaderboard import conftest
from tests.leaderboard.conftest import make_record
from tests.leaderboard.test_compact import decode

from freeshot.leaderboard import boards
from freeshot.records.models import IntervalRecord, Quality
from freeshot.render import render
from freeshot.render.html.data import BINS, SHARE
from freeshot.render.html.page import html

if TYPE_CHECKING:
    from collections.abc import Callable

    from freeshot.records.models import RunRecord

COMMITTED = Path(__file__).parents[2] / "results/leaderboard/index.html"


class Reader(HTMLParser):
    """Collects the page's tags, and what stands in its data block."""

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


def test_the_page_holds_what_the_board_says(record: Callable[..., RunRecord]) -> None:
    records = [record("alpha"), record("beta", mean=0.4), record("gamma", status="failed", reason="It broke.")]
    (board,) = boards(records)
    (found,) = data_of(render("html", records))
    assert [row["label"] for row in found["rows"]] == [row.label for row in (*board.rows, *board.controls)]
    cell, track = found["rows"][0]["cells"], board.tracks[0].name
    interval = board.rows[0].cells[track].interval
    assert interval is not None
    assert (cell[track]["mean"], cell[track]["rank"]) == (pytest.approx(interval.mean), 1)
    assert "histogram" not in cell[track]
    assert found["bins"] == BINS
    assert decode(cell[track]["scores"], cell[track]["unit"]) == pytest.approx(board.rows[0].line.scores[track])
    failed = next(row for row in found["rows"] if row["label"] == "gamma")["cells"][track]
    assert (failed["mean"], failed["status"], failed["notes"]) == (None, "failed", "It broke.")


def test_what_many_records_say_is_said_once(record: Callable[..., RunRecord]) -> None:
    quality = Quality(ece=0.1, brier=0.5, recall={"dog": 0.125, "cat": 1 / 3})
    spread = IntervalRecord(mean=0.5, low=0.25, high=0.75, level=0.9, covers="images")
    records = [record(name).model_copy(update={"quality": quality, "spreads": (spread,)}) for name in ("alpha", "beta")]
    (found,) = data_of(render("html", records))
    assert (found["classes"], found["intervals"]) == ([["cat", "dog"]], [["images", 0.9]])
    for row in found["rows"]:
        (told,) = row["cells"]["in-domain/sketch/5w1s"]["records"]
        assert told["spreads"] == [[0.25, 0.75, 0]]
        assert decode(told["quality"]["recall"], SHARE) == [0.3333, 0.125]


def test_what_was_recovered_is_shown_within_the_page(record: Callable[..., RunRecord], tmp_path: Path) -> None:
    (tmp_path / "lora-000.png").write_bytes(b"\x89PNG")
    (found,) = data_of(html(boards([record("alpha")]), [tmp_path / "lora-000.png"]))
    assert found["sheets"] == [{"name": "lora-000", "data": "data:image/png;base64,iVBORw=="}]


PLAIN = Reader(render("html", [make_record("alpha")])).tags


@settings(deadline=None, max_examples=30)
@given(st.text() | st.sampled_from(["</script><script>alert(1)</script>", "<!--", "]]>", "\u2028", "&lt;"]))
def test_no_record_becomes_markup(text: str) -> None:
    page = render("html", [make_record("alpha", status="failed", reason=text or "x", options={"a": text})])
    assert Reader(page).tags == PLAIN
    assert data_of(page)


def test_the_page_asks_for_nothing_from_elsewhere() -> None:
    page = COMMITTED.read_text(encoding="utf-8")
    addresses = set(re.findall(r"https?://[^\s\"')]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg"}
    assert re.findall(r"<link[^>]*>", page) == ['<link rel="icon" href="data:,">']
    assert not re.findall(r"<iframe|src=\"(?!data:)|@import|innerHTML|eval\(", page)
    assert "default-src 'none'" in page


def test_the_committed_page_is_small() -> None:
    assert COMMITTED.stat().st_size <= 1_000_000


def test_without_records_there_is_still_a_page() -> None:
    assert data_of(html([])) == []


def test_a_page_that_would_be_too_large_leaves_out_pictures_first(
    record: Callable[..., RunRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conftest, "EPISODES", 300)  # more than a histogram takes, which is told in their place
    (tmp_path / "lora-000.png").write_bytes(bytes(3000))
    found = boards([record("alpha"), record("alpha", suite="second")])
    whole = len(json.dumps(data_of(html(found)), separators=(",", ":")))

    def fitted(limit: int) -> tuple[int, list[bool]]:
        read = data_of(html(found, [tmp_path / "lora-000.png"], limit=limit))
        return len(read[0]["sheets"]), [
            "scores" in cell for b in read for r in b["rows"] for cell in r["cells"].values()
        ]

    assert fitted(whole + 5000) == (1, [True, True])
    assert fitted(whole + 100) == (0, [True, True])
    assert fitted(whole - 10) == (0, [True, False])
    assert fitted(0) == (0, [False, False])


def test_the_page_allows_its_own_script_and_style_only() -> None:
    page = html([])
    for tag, policy in {"style": "style-src", "script": "script-src"}.items():
        text = page.rpartition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{policy} 'sha256-{digest}'" in page
    assert "unsafe" not in page
