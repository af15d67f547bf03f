from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console
from tests.leaderboard.conftest import INSTALLED

from freeshot.contracts.leaderboard import Column
from freeshot.leaderboard import Extensions
from freeshot.leaderboard.board import NO_EXTENSIONS
from freeshot.render import render, render_terminal
from freeshot.render.markdown import escape

if TYPE_CHECKING:
    from collections.abc import Callable

    from freeshot.records.models import RunRecord

    Make = Callable[..., RunRecord]

SKETCH5 = "in-domain/sketch/5w5s"
FLAGS = "cross-domain/flags/5w1s"


def terminal(records: list[Any], width: int = 100, extensions: Extensions = NO_EXTENSIONS) -> str:
    console = Console(file=io.StringIO(), width=width)
    render_terminal(records, console, extensions)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def records_of(record: Make) -> list[RunRecord]:
    return [
        record("lora-recycle", mean=0.7, learner="proto"),
        record("lora-recycle", mean=0.6, learner="reptile"),
        record("lora-recycle", SKETCH5, 0.8, learner="proto"),
        record("lora-recycle", FLAGS, learner="proto", status="failed", reason="Killed\nin /home/ann/runs/x.log"),
        record("best-lora", status="skipped", reason="Needs two classes."),
        record("frozen-prototype", mean=0.5, role="floor"),
        record("frozen-prototype", FLAGS, 0.4, role="floor"),
    ]


def test_a_page_shows_numbers_marks_dashes_and_reasons(record: Make) -> None:
    page = render("markdown", records_of(record), INSTALLED)
    row = "| lora-recycle \\[learner=proto\\] | strict | tuning-free | **70.00 ± 4.80 (1)** | **80.00 ± 4.80 (1)** |"
    assert row in page
    assert "| best-lora | strict | tuning-free | skipped[^1] | – |" in page
    assert "| frozen-prototype | strict | tuning-free | 50.00 ± 4.80 | – |" in page
    assert "| lora-recycle \\[learner=proto\\] | strict | tuning-free | failed[^2] |" in page
    assert "[^1]: Needs two classes." in page
    assert "[^2]: Killed in …/x.log" in page
    assert "### Paired differences (points), in-domain" in page
    assert "### Paired differences (points), cross-domain" not in page
    assert "| frozen-prototype | strict | tuning-free | floor | – |" in page
    assert "Student-t 95 % over 20 shared episodes; it covers the sampling of tasks, not of images" in page
    assert "Made from 7 records." in page
    assert page.endswith("Regenerate with `freeshot leaderboard --write`.\n")


def test_the_page_states_which_interval_it_shows(record: Make) -> None:
    assert "half of the interval: BCa bootstrap 95 % over 20 shared episodes" in render(
        "markdown", [record()], interval="bca"
    )


def test_a_terminal_of_100_columns_shows_the_same(record: Make) -> None:
    shown = terminal(records_of(record))
    assert max(map(len, shown.splitlines())) <= 100
    assert "lora-recycle [learner=proto]     70.0 ± 4.8 (1)   80.0 ± 4.8 (1)" in shown
    assert "failed [2]" in shown
    assert "[2] Killed in /home/ann/runs/x.log" in shown
    assert "pocket, tracks of version 1: cross-domain" in shown
    assert "lora-recycle [learner=reptile]: learner=reptile" in shown


def test_many_tracks_become_several_tables_that_fit(record: Make) -> None:
    tracks = [f"cross-domain/set{i}/5w{shot}s" for i in range(6) for shot in (1, 5)]
    shown = terminal([record("a-method-with-a-long-name", track) for track in tracks])
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 100
    assert all(f"set{i}" in shown for i in range(6))
    numbers = [line for line in lines if "± " in line and "(1)" in line]
    assert sum(line.count("(1)") for line in numbers) == 12
    assert all(line.startswith("a-method-with-a-long-name") for line in numbers)


def test_hostile_text_is_only_text(record: Make) -> None:
    name = "a|b [red]x[/red] <b>y</b> *z* `q`\x1b[31m\nnext"
    records = [record(name), record("c", status="failed", reason=name), record("d", options={"k": name})]
    extensions = Extensions((Column("[bold]T|", lambda _: "<i>|[/]"),))
    page = render("markdown", records, extensions)
    assert r"| a\|b \[red\]x\[/red\] \<b\>y\</b\> \*z\* \`q\` \[31m next |" in page
    assert r"\[bold\]T\|" in page
    assert r"\<i\>\|\[/\]" in page
    assert "\x1b" not in page
    shown = terminal(records, 200, extensions)
    assert "a|b [red]x[/red] <b>y</b> *z* `q` [31m next" in shown
    assert "<i>|[/]" in shown
    assert "\x1b" not in shown


@given(st.text())
def test_escaped_text_never_ends_a_cell_or_a_line(text: str) -> None:
    escaped = escape(text)
    assert len(escaped.splitlines()) <= 1
    bare = escaped.replace("\\\\", "").replace("\\|", "")
    assert "|" not in bare


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)
@given(data=st.data())
def test_the_order_of_records_changes_nothing(record: Make, data: st.DataObject) -> None:
    records = [*records_of(record), record("c", episodes_sha256="bb"), record("lora-recycle", learner="proto", seed=1)]
    records += [record("v", version=2), record("v", version=2, mean=0.2, origin="freeshot 0.2")]
    shuffled = data.draw(st.permutations(records))
    assert render("markdown", shuffled) == render("markdown", records)
    assert terminal(shuffled) == terminal(records)


def test_each_version_has_its_own_heading(record: Make) -> None:
    page = render("markdown", [record(), record(version=2)])
    assert page.index("## pocket, tracks of version 2") < page.index("## pocket, tracks of version 1")


def test_a_page_without_records_or_with_limited_runs_only_has_a_sentence(record: Make) -> None:
    assert "There are no records yet." in render("markdown", [])
    assert "freeshot run" in terminal([])
    limited = [record(limit=3)]
    printed = "Made from 0 records. 1 limited or otherwise not comparable is left out."
    assert printed in render("markdown", limited)
    assert terminal(limited).strip() == f"pocket, tracks of version 1\n{printed}"


def test_the_board_is_made_without_torch() -> None:
    program = (
        "import sys, freeshot.render as r; from rich.console import Console; r.render('markdown', []); "
        "r.render_terminal([], Console()); print({'torch', 'scipy.stats'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")
