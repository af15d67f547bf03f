"""`leaderboard` prints, writes or checks all tables; tests/cli/test_ranking.py has the short ranking."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from freeshot.leaderboard import Selection

if TYPE_CHECKING:
    from tests.cli.conftest import Call
    from tests.conftest import Install


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Replace freeshot.render by a fake with these `stale` tables and these `loaded` records."""
    actual = SimpleNamespace(stale=[], loaded=SimpleNamespace(records=["record"], problems=[]))
    module: Any = ModuleType("freeshot.render")
    monkeypatch.setattr("freeshot.records.load.load_records", lambda folder: actual.loaded)

    def note(extensions: Any) -> None:
        actual.columns = [column.title for column in extensions.columns]
        actual.published = [result.method for result in extensions.published]

    def render_terminal(records: object, console: Any, extensions: Any, interval: str, selection: Any) -> None:
        note(extensions)
        actual.interval, actual.selection = interval, selection
        console.print("a table")

    def render(form: str, records: object, extensions: Any, interval: str, selection: Any) -> str:
        note(extensions)
        actual.interval, actual.selection = interval, selection
        return "| a table |\n"

    def write_leaderboards(folder: Path, extensions: Any) -> list[Path]:
        note(extensions)
        actual.stale = []
        return [folder / "leaderboard/near.md"]

    def stale_leaderboards(folder: Path, extensions: Any) -> list[Path]:
        note(extensions)
        stale: list[Path] = actual.stale
        return stale

    for function in (render_terminal, render, write_leaderboards, stale_leaderboards):
        setattr(module, function.__name__, function)
    monkeypatch.setitem(sys.modules, "freeshot.render", module)
    return actual


@pytest.fixture
def board(call: Call, tmp_path: Path, report: SimpleNamespace) -> Call:
    return lambda *arguments: call("leaderboard", str(tmp_path), *arguments, plugins="")


def test_the_table_is_printed(board: Call) -> None:
    assert board("--all").stdout == "a table\n"


def test_the_table_can_be_markdown(board: Call) -> None:
    assert board("--format", "markdown").stdout == "| a table |\n"


@pytest.mark.parametrize("form", ["terminal", "markdown"])
def test_intervals_are_students_unless_requested_otherwise(board: Call, report: SimpleNamespace, form: str) -> None:
    board("--all", "--format", form)
    assert report.interval == "t"
    board("--all", "--format", form, "--interval", "bca")
    assert report.interval == "bca"


@pytest.mark.parametrize("form", ["terminal", "markdown"])
def test_all_tables_can_be_limited_to_a_suite_tracks_and_methods(
    board: Call, report: SimpleNamespace, form: str
) -> None:
    board("--all", "--format", form)
    assert report.selection == Selection()
    board("-a", "-f", form, "-s", "near", "-t", "near/*", "-t", "far/*", "-m", "free", "--method", "noise")
    assert report.selection == Selection("near", ("near/*", "far/*"), ("free", "noise"))


def test_records_that_cannot_be_read_are_reported_beside_the_table(board: Call, report: SimpleNamespace) -> None:
    report.loaded.problems = ["x.json is not a valid record."]
    done = board("--all")
    assert done.stdout == "a table\n"
    assert done.stderr == "x.json is not a valid record.\n"


def test_tables_are_written(board: Call, tmp_path: Path) -> None:
    assert board("--write").stdout == f"Wrote {tmp_path}/leaderboard/near.md\n"


def test_a_check_passes_where_nothing_is_stale(board: Call) -> None:
    assert board("--check").exit_code == 0


def test_a_check_fails_and_names_the_stale_table(board: Call, report: SimpleNamespace) -> None:
    report.stale = [Path("near.md")]
    done = board("--check")
    assert done.exit_code == 1
    assert done.stderr == ("Error: near.md is out of date. Update it with 'freeshot leaderboard --write'.\n")


@pytest.mark.parametrize("flag", ["--write", "--check"])
def test_records_that_cannot_be_read_are_reported_beside_the_files(
    board: Call, report: SimpleNamespace, flag: str
) -> None:
    report.loaded.problems = ["x.json is not a valid record."]
    done = board(flag)
    assert done.stderr == "x.json is not a valid record.\n"
    assert done.exit_code == (flag == "--check")


def test_tables_that_were_just_written_pass_the_check(board: Call, report: SimpleNamespace, tmp_path: Path) -> None:
    report.stale = [Path("near.md")]
    done = board("--write", "--check")
    assert done.exit_code == 0
    assert done.stdout == f"Wrote {tmp_path}/leaderboard/near.md\nAll tables are up to date.\n"


@pytest.mark.parametrize("flags", [("--all",), ("--format", "markdown"), ("--write",), ("--check",)])
def test_the_columns_and_reported_numbers_of_plugins_are_shown(
    call: Call, install: Install, report: SimpleNamespace, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    install(
        "fake",
        """
        @hookimpl
        def freeshot_leaderboard_columns(): return [Column("seed", lambda record: record.spec.seed)]
        @hookimpl
        def freeshot_published_results(): return [Published("Theirs", "in-domain/x/5w1s", 0.5, None, "A paper")]
    """,
    )
    assert call("leaderboard", str(tmp_path), *flags).exit_code == 0
    assert (report.columns, report.published) == (["seed"], ["Theirs"])


def test_without_records_the_error_names_the_next_command(board: Call, report: SimpleNamespace) -> None:
    report.loaded.records = []
    done = board()
    assert done.exit_code == 2
    assert "Make some with 'freeshot run'" in done.stderr


def test_a_missing_folder_is_an_error(call: Call, report: SimpleNamespace) -> None:
    done = call("leaderboard", "no/such/folder", plugins="")
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: The folder no/such/folder does not exist.")
