"""The board of the tests' page: everything a board can hold, hostile texts included."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.leaderboard.conftest import EPISODES, SUITES, make_record

from freeshot.contracts.cards import Card
from freeshot.contracts.dataset import Example
from freeshot.contracts.leaderboard import Published
from freeshot.leaderboard import Extensions, boards
from freeshot.records.models import IntervalRecord, Quality, Tags, TaskCost
from freeshot.render.html.page import html

if TYPE_CHECKING:
    from freeshot.records.models import RunRecord

TRACKS = ("in-domain/sketch/5w1s", "in-domain/sketch/5w5s", "cross-domain/flags/5w1s")
HOSTILE = (
    "<img src=x onerror=\"document.title='taken'\">",
    "</script><script>document.title='taken'</script>",
    "\"'`&quot;</td></table>",
    "\u202eabc\u2066 \u05d0\u05d1\u05d2",
    "x" * 500,
)
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
CARDS = {
    ("method", "alpha"): Card(
        "Average <b>all</b>. Nothing is tuned.", "Roe et al., Averages & more, ICML 2024", "https://arxiv.org/abs/2401.00001",
        "javascript:document.title='taken'", {"text": "What it is given."},
    ),
    ("dataset", "sketch"): Card(
        "Doodles.", "", domain="drawings", license="CC0", example=Example(("cat", "<i>dog</i>"), PIXEL),
    ),
}  # fmt: skip
"""Descriptions by plugins; the plugins of all other components are not installed."""


def tagged(record: RunRecord, **tags: Any) -> RunRecord:
    return record.model_copy(update={"tags": Tags(**(record.tags.model_dump() | tags))})


def full(record: RunRecord, order: int) -> RunRecord:
    """Add every optional field of a record."""
    assert record.interval is not None
    low, high = record.interval.mean - 0.2, record.interval.mean + 0.2
    spread = IntervalRecord(mean=record.interval.mean, low=low, high=high, level=0.95, covers="images")
    quality = Quality(ece=0.0625, brier=0.75, recall={"cat": 0.25, "<b>dog</b>": 0.125})
    odds = [float((i * order) % EPISODES) for i in range(EPISODES)]
    stages = [s.model_copy(update={"flops": 2 * 10**12, "learned_weights": 4096 * order}) for s in record.stages]
    measured = {"stages": stages, "task_cost": TaskCost(flops=order * 10**9, tuned_weights=0)}
    return record.model_copy(update={"wider_intervals": (spread,), "quality": quality, "log_odds": odds, **measured})


def everything() -> list[RunRecord]:
    """Make the records of a board with everything a board can hold."""
    actual = []
    for i, track in enumerate(TRACKS):
        means = {"alpha": 0.6, "beta": 0.5 - i / 10, "frozen-prototype": 0.4 + i / 20}
        for phase, (method, mean) in enumerate(means.items()):
            record = make_record(method, track, mean, phase=phase, wobble=1 / 15 * (phase + 1))
            tags = {"tuning_free": False, "data_free": "real data"} if method == "beta" else {}
            tags |= {"black_box": True} if method == "alpha" else {}
            tags |= {"transductive": True} if method == "beta" else {}
            actual.append(tagged(full(record, 3), **tags))
        actual.append(make_record("random", track, 0.2, role="floor"))
    actual += [
        make_record("broken", TRACKS[0], status="failed", reason="It broke <here>."),
        make_record("cheat", TRACKS[0], status="violated", reason="It opened test images."),
        make_record("lazy", TRACKS[0], status="skipped", reason="It needs five shots."),
        *(make_record("settings", TRACKS[0], 0.5, options={"text": text}) for text in HOSTILE),
        *(make_record(text, TRACKS[0], 0.3) for text in HOSTILE),
        make_record("other", "in-domain/dots/5w1s", suite="second"),
    ]
    return actual


def write_page(folder: Path) -> Path:
    """Write the page and its pictures; return its path."""
    (folder / "lora-000.png").write_bytes(PIXEL)
    reported = (Published("Theirs", TRACKS[0], 0.625, None, "A paper, Table 2"),)
    extensions = Extensions(published=reported, suites=SUITES, describe=lambda kind, name: CARDS.get((kind, name)))
    page = folder / "index.html"
    page.write_text(html(boards(everything(), extensions), [folder / "lora-000.png"]), encoding="utf-8")
    return page
