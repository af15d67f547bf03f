"""Events cross processes by mail: each arrives once, whole, in order, and rubbish costs nothing."""

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
    """An event of a kind that readers do not know."""


def test_letters_arrive_once_and_in_order(tmp_path: Path) -> None:
    mailbox, letters = EventLogReader(tmp_path), EventLogWriter(tmp_path / "cell.jsonl")
    for event in EVENTS[:2]:
        letters.freeshot_event(event)
    assert mailbox.fetch() == EVENTS[:2]
    for event in EVENTS[2:]:
        letters.freeshot_event(event)
    assert mailbox.fetch() == EVENTS[2:]
    assert mailbox.fetch() == []


def test_a_failure_arrives_as_it_was(tmp_path: Path) -> None:
    frame = Frame("/a/mine.py", 3, "Mine.prepare", "self.go()", "mine")
    event = CellFailed("a · b", "No.", Failure("No.", frame, (frame, frame), "Traceback"), "failures/1.txt", id="1")
    EventLogWriter(tmp_path / "cell.jsonl").freeshot_event(event)
    assert EventLogReader(tmp_path).fetch() == [event]


def test_progress_is_written_now_and_then_but_its_end_always(tmp_path: Path) -> None:
    letters = EventLogWriter(tmp_path / "cell.jsonl")
    for done in range(101):
        letters.freeshot_event(Progress("a · b", "inversion", done, 100))
    actual = EventLogReader(tmp_path).fetch()
    assert actual[-1] == Progress("a · b", "inversion", 100, 100)
    assert len(actual) < 50


def test_a_line_on_its_way_is_waited_for(tmp_path: Path) -> None:
    mailbox, path = EventLogReader(tmp_path), tmp_path / "cell.jsonl"
    EventLogWriter(path).freeshot_event(EVENTS[0])
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:10])
    assert mailbox.fetch() == EVENTS[:1]
    path.write_bytes(whole + whole)
    assert mailbox.fetch() == EVENTS[:1]


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "1", "{}", '{"kind": "Progress"}', '{"kind": "Path", "cell": "x"}', BAD_FAILURE]
)
def test_rubbish_is_passed_over(tmp_path: Path, line: str) -> None:
    (tmp_path / "cell.jsonl").write_text(line + "\n")
    EventLogWriter(tmp_path / "cell.jsonl").freeshot_event(EVENTS[0])
    assert EventLogReader(tmp_path).fetch() == EVENTS[:1]


def test_kinds_that_readers_do_not_know_are_not_written(tmp_path: Path) -> None:
    EventLogWriter(tmp_path / "cell.jsonl").freeshot_event(Later("a · b"))
    assert EventLogReader(tmp_path).fetch() == []


def test_what_comes_is_told_while_the_block_runs_and_at_its_end(tmp_path: Path) -> None:
    heard: list[Event] = []
    letters = EventLogWriter(tmp_path / "cell.jsonl")
    with forwarded(EventLogReader(tmp_path), heard.append):
        letters.freeshot_event(EVENTS[0])
        until = time.monotonic() + 30
        while not heard and time.monotonic() < until:
            time.sleep(0.01)
        assert heard == EVENTS[:1]
        letters.freeshot_event(EVENTS[3])
    assert heard == [EVENTS[0], EVENTS[3]]
