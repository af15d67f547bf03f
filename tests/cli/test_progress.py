"""Events become bars on a terminal and a few lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress as Bars

from freeshot.cli.console import duration
from freeshot.cli.progress import BarDisplay, LineDisplay, shown
from freeshot.contracts.events import (
    CellFailed,
    CellFinished,
    CellSkipped,
    Event,
    Progress,
    StageFinished,
    StageStarted,
)
from freeshot.plugin.host import load_plugins


class Screen:
    """A line display with a clock that the test sets."""

    def __init__(self, *cells: str) -> None:
        self.now = 0.0
        self.text = StringIO()
        self.display = LineDisplay(Console(file=self.text, width=100), cells=cells, clock=lambda: self.now)

    def handle(self, *events: Event) -> list[str]:
        """Return what is printed for these events."""
        start = len(self.text.getvalue())
        for event in events:
            self.display.freeshot_event(event)
        return self.text.getvalue()[start:].splitlines()


def test_a_stage_is_a_line_when_it_begins_and_one_when_it_ends() -> None:
    printed = Screen().handle(StageStarted("t · m", "invert", 9), StageFinished("t · m", "invert", 61.4))
    assert printed == ["t · m: invert …", "t · m: invert, 1 min 01 s"]


def test_progress_is_printed_every_ten_seconds_with_share_and_time_left() -> None:
    screen = Screen()
    screen.handle(StageStarted("c", "meta", 100))
    assert screen.handle(*(Progress("c", "meta", n, 100) for n in range(1, 20))) == []
    screen.now = 20.0
    assert screen.handle(Progress("c", "meta", 20, 100)) == ["c: meta 20 %, about 1 min 24 s left"]
    screen.now = 29.0
    assert screen.handle(Progress("c", "meta", 29, 100)) == []
    screen.now = 31.0
    assert screen.handle(Progress("c", "meta", 50, 100)) == ["c: meta 50 %, about 32 s left"]


def test_the_time_left_of_a_resumed_stage_depends_on_the_progress_of_this_run() -> None:
    screen = Screen()
    screen.handle(StageStarted("c", "meta", 100), Progress("c", "meta", 80, 100))
    screen.now = 20.0
    assert screen.handle(Progress("c", "meta", 82, 100)) == ["c: meta 82 %, about 3 min 00 s left"]


def test_cells_of_one_name_have_times_of_their_own() -> None:
    screen = Screen()
    screen.handle(StageStarted("c", "meta", 100), StageFinished("c", "meta", 1.0))
    screen.now = 1000.0
    screen.handle(StageStarted("c", "meta", 100, id="b"))
    screen.now = 1020.0
    assert screen.handle(Progress("c", "meta", 10, 100, id="b")) == ["c: meta 10 %, about 3 min 00 s left"]


def test_cells_are_printed_with_their_given_names() -> None:
    text = StringIO()
    display = LineDisplay(Console(file=text, width=100), {"b2": "c, seed 2"})
    for event in (StageFinished("c", "meta", 1.0, id="b2"), CellFailed("c", "No.", id="b2"), CellSkipped("c", "Done.")):
        display.freeshot_event(event)
    assert text.getvalue().splitlines() == ["c, seed 2: meta, 1 s", "c, seed 2: failed. No.", "c: skipped. Done."]
    assert {name: event.reason for name, event in display.failures.items()} == {"c, seed 2": "No."}


def test_progress_of_a_stage_that_never_began_or_has_no_total_is_harmless() -> None:
    screen = Screen()
    assert screen.handle(Progress("c", "meta", 1, 0)) == []
    screen.now = 60.0
    assert screen.handle(Progress("c", "meta", 2, 0)) == []


def test_a_reused_stage_is_reported_as_reused() -> None:
    assert Screen().handle(StageFinished("c", "pool", 0.0, cached=True)) == ["c: pool, loaded from the cache"]


def test_the_ends_of_cells_are_printed_and_failures_collected() -> None:
    screen = Screen()
    printed = screen.handle(
        CellFinished("a", 0.6234, 0.009), CellFailed("b", "It broke [3]."), CellSkipped("c", "Done.")
    )
    assert printed == ["a: 62.34 % ± 0.90 %", "b: failed. It broke [3].", "c: skipped. Done."]
    assert {name: event.reason for name, event in screen.display.failures.items()} == {"b": "It broke [3]."}


def test_a_violated_cell_is_reported_as_violated() -> None:
    assert Screen().handle(CellFailed("a", "It cheated.", status="violated")) == ["a: violated. It cheated."]


def test_a_reason_is_printed_once() -> None:
    screen = Screen()
    assert screen.handle(*(CellFailed(cell, "It broke.") for cell in "abc")) == [
        "a: failed. It broke.",
        "b: failed. The reason is the same as above.",
        "c: failed. The reason is the same as above.",
    ]
    assert len(screen.display.failures) == 3


def test_a_run_has_a_line_per_cell_with_the_overall_progress() -> None:
    screen = Screen("1", "2", "3")
    printed = screen.handle(StageStarted("a", "meta", 9, id="1"), StageFinished("a", "meta", 1.0, id="1"))
    assert printed == []
    screen.now = 60.0
    assert screen.handle(CellFinished("a", 0.5, 0.1, id="1")) == [
        "a: 50.00 % ± 10.00 % [cell 1 of 3, about 2 min 00 s left]"
    ]
    assert screen.handle(CellSkipped("x", "It does not fit.", id="0")) == ["x: skipped. It does not fit."]
    screen.now = 90.0
    assert screen.handle(CellFailed("b", "No.", id="2")) == ["b: failed. No. [cell 2 of 3, about 45 s left]"]
    assert screen.handle(CellFinished("c", 0.5, 0.1, id="3")) == ["c: 50.00 % ± 10.00 % [cell 3 of 3]"]


def test_a_long_stage_of_a_run_has_lines_of_its_own() -> None:
    screen = Screen("1", "2")
    screen.handle(StageStarted("a", "meta", 100, id="1"))
    screen.now = 20.0
    assert screen.handle(Progress("a", "meta", 50, 100, id="1")) == ["a: meta 50 %, about 20 s left"]
    assert screen.handle(StageFinished("a", "meta", 40.0, id="1")) == ["a: meta, 40 s"]


def test_a_bar_shows_the_progress_of_the_whole_run() -> None:
    now = 0.0
    console = Console(file=StringIO(), force_terminal=True, width=100)
    with Bars(console=console) as bars:
        display = BarDisplay(console, bars, cells=("1", "2", "3"), clock=lambda: now)
        assert [(task.description, task.completed, task.total) for task in bars.tasks] == [("cell 1 of 3", 0, 3)]
        now = 60.0
        display.freeshot_event(CellFinished("a", 0.5, 0.1, id="1"))
        now = 80.0
        display.freeshot_event(Progress("b", "meta", 4, 10, id="2"))
        assert [task.description for task in bars.tasks] == ["cell 2 of 3, about 1 min 40 s left", "b: meta"]
        for cell in ("2", "3"):
            display.freeshot_event(CellFinished("b", 0.5, 0.1, id=cell))
        assert (bars.tasks[0].description, bars.tasks[0].completed) == ("cell 3 of 3", 3)


def test_bars_are_shown_only_during_their_stage() -> None:
    console = Console(file=StringIO(), force_terminal=True, width=100)
    with Bars(console=console) as bars:
        display = BarDisplay(console, bars)
        display.freeshot_event(StageStarted("c", "meta", 10))
        display.freeshot_event(Progress("c", "meta", 4, 10))
        assert [(task.completed, task.total) for task in bars.tasks] == [(4, 10)]
        display.freeshot_event(StageFinished("c", "meta", 1.0))
        assert not bars.tasks
        display.freeshot_event(Progress("c", "score", 4, 10))
        display.freeshot_event(CellFailed("c", "It broke."))
        assert not bars.tasks


def test_cells_of_one_name_have_bars_of_their_own() -> None:
    console = Console(file=StringIO(), force_terminal=True, width=100)
    with Bars(console=console) as bars:
        display = BarDisplay(console, bars)
        for cell, done in (("one", 4), ("two", 7)):
            display.freeshot_event(Progress("c", "meta", done, 10, id=cell))
        display.freeshot_event(CellFailed("c", "It broke.", id="one"))
        assert [task.completed for task in bars.tasks] == [7]


def test_the_display_receives_events_only_within_its_block(capsys: pytest.CaptureFixture[str]) -> None:
    manager = load_plugins(only=frozenset()).manager
    with shown(manager):
        manager.hook.freeshot_event(event=CellSkipped("c", "Done."))
    manager.hook.freeshot_event(event=CellSkipped("d", "Done."))
    assert capsys.readouterr().out == "c: skipped. Done.\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (3599.6, "1 h 00 min"), (7260, "2 h 01 min")],
)
def test_durations_are_formatted(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make rich detect Jupyter; return a folder for modules."""
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    for name in ("IPython", "IPython.display", "ipywidgets"):
        monkeypatch.delitem(sys.modules, name, raising=False)  # the installed ones
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "IPython").mkdir()
    (tmp_path / "IPython/__init__.py").touch()
    (tmp_path / "IPython/display.py").write_text("shown = []\ndisplay = shown.append\n", encoding="utf-8")
    yield tmp_path
    for name in ("IPython", "IPython.display", "ipywidgets"):
        sys.modules.pop(name, None)


WIDGETS = """
from contextlib import nullcontext

class Output(nullcontext):
    closed = False

    def clear_output(self, wait=False):
        pass

    def close(self):
        Output.closed = True
"""


def test_in_a_notebook_there_are_bars(notebook: Path) -> None:
    (notebook / "ipywidgets.py").write_text(WIDGETS, encoding="utf-8")
    manager = load_plugins(only=frozenset()).manager
    with shown(manager, cells=["1"]) as display:
        assert isinstance(display, BarDisplay)
        manager.hook.freeshot_event(event=StageStarted("c", "invert", 9, id="1"))
        manager.hook.freeshot_event(event=CellFinished("c", 0.5, 0.1, id="1"))
    outputs, widget = import_module("IPython.display").shown, import_module("ipywidgets").Output
    assert any(isinstance(output, widget) for output in outputs)
    assert any("50.00 % ± 10.00 % [cell 1 of 1]" in str(getattr(output, "html", "")) for output in outputs)
    assert widget.closed


@pytest.mark.usefixtures("notebook")
def test_in_a_notebook_without_widgets_there_are_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)  # as if it were not installed
    manager = load_plugins(only=frozenset()).manager
    with shown(manager, cells=["1"]) as display:
        assert type(display) is LineDisplay
        manager.hook.freeshot_event(event=CellFinished("c", 0.5, 0.1, id="1"))
    outputs = import_module("IPython.display").shown
    assert ["50.00 %" in output.html for output in outputs] == [True]
