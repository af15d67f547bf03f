"""Events cross processes in a log: each is read once, whole and in order, and invalid lines are skipped."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from freeshot.basics.failures import Failure
from freeshot.basics.frames import Frame
from freeshot.contracts.events import CellFailed, CellFinished, Event, Progress, StageFinished, StageStarted
from freeshot.launch.event_log import EventLogReader, EventLogWriter, forwarded

EVENTS = [
    StageStarted("a · b", "inversion", 3),
    Progress("a · b", "inversion", 3, 3),
    StageFinished("a · b", "inversion", 1.5, cached=True),
    CellFinished("a · b", 0.5, 0.01),
]
BAD_FAILURE = '{"kind": "CellFailed", "cell": "a", "reason": "No.", "failure": {"error": 1}}'


@dataclass(frozen=True)
class Later(Event):
    """An event of a kind that is unknown to readers."""


def test_events_are_read_once_and_in_order(tmp_path: Path) -> None:
    reader, writer = EventLogReader(tmp_path), EventLogWriter(tmp_path / "cell.jsonl")
    for event in EVENTS[:2]:
        writer.freeshot_event(event)
    assert reader.fetch() == EVENTS[:2]
    for event in EVENTS[2:]:
        writer.freeshot_event(event)
    assert reader.fetch() == EVENTS[2:]
    assert reader.fetch() == []


def test_a_failure_is_read_unchanged(tmp_path: Path) -> None:
    frame = Frame("/a/mine.py", 3, "Mine.prepare", "self.go()", "mine")
    event = CellFailed("a · b", "No.", Failure("No.", frame, (frame, frame), "Traceback"), "failures/1.txt", id="1")
    EventLogWriter(tmp_path / "cell.jsonl").freeshot_event(event)
    assert EventLogReader(tmp_path).fetch() == [event]


def test_progress_is_written_at_intervals_and_always_at_its_end(tmp_path: Path) -> None:
    writer = EventLogWriter(tmp_path / "cell.jsonl")
    for done in range(101):
        writer.freeshot_event(Progress("a · b", "inversion", done, 100))
    actual = EventLogReader(tmp_path).fetch()
    assert actual[-1] == Progress("a · b", "inversion", 100, 100)
    assert len(actual) < 50


def test_an_incomplete_line_is_read_when_it_is_complete(tmp_path: Path) -> None:
    reader, path = EventLogReader(tmp_path), tmp_path / "cell.jsonl"
    EventLogWriter(path).freeshot_event(EVENTS[0])
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:10])
    assert reader.fetch() == EVENTS[:1]
    path.write_bytes(whole + whole)
    assert reader.fetch() == EVENTS[:1]


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "1", "{}", '{"kind": "Progress"}', '{"kind": "Path", "cell": "x"}', BAD_FAILURE]
)
def test_an_invalid_line_is_skipped(tmp_path: Path, line: str) -> None:
    (tmp_path / "cell.jsonl").write_text(line + "\n")
    EventLogWriter(tmp_path / "cell.jsonl").freeshot_event(EVENTS[0])
    assert EventLogReader(tmp_path).fetch() == EVENTS[:1]


def test_unknown_kinds_of_events_are_not_written(tmp_path: Path) -> None:
    EventLogWriter(tmp_path / "cell.jsonl").freeshot_event(Later("a · b"))
    assert EventLogReader(tmp_path).fetch() == []


def test_events_are_forwarded_while_the_block_runs_and_at_its_end(tmp_path: Path) -> None:
    received: list[Event] = []
    writer = EventLogWriter(tmp_path / "cell.jsonl")
    with forwarded(EventLogReader(tmp_path), received.append):
        writer.freeshot_event(EVENTS[0])
        deadline = time.monotonic() + 30
        while not received and time.monotonic() < deadline:
            time.sleep(0.01)
        assert received == EVENTS[:1]
        writer.freeshot_event(EVENTS[3])
    assert received == [EVENTS[0], EVENTS[3]]
