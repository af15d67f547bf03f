"""The short ranking: one suite, one row per method, one screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.leaderboard.conftest import make_record

if TYPE_CHECKING:
    from tests.cli.conftest import Call
    from tests.conftest import Install

RESULTS = str(Path(__file__).parents[2] / "results")
COLUMNS = 100


@pytest.fixture
def ranking(call: Call, tmp_path: Path) -> Call:
    """Print the ranking of three methods and a control on two tracks."""
    means = {"alpha": (0.9, 0.5), "beta": (0.7, 0.6), "gamma": (0.4, 0.4), "zero": (0.2, 0.2)}
    for method, (near, far) in means.items():
        role = "floor" if method == "zero" else "method"
        for track, mean in {"in-domain/a/5w1s": near, "cross-domain/b/5w1s": far}.items():
            make_record(method, track, mean=mean, role=role, suite="near").write(
                tmp_path / f"{method}-{track[:2]}.json"
            )
    return lambda *arguments: call("leaderboard", str(tmp_path), *arguments, plugins="")


def rows(text: str) -> list[list[str]]:
    """Return the cells of the rows below the rule, controls included."""
    lines = text.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("──"))
    end = next(index for index, line in enumerate(lines) if line.startswith("rank: "))
    return [line.split() for line in lines[start + 1 : end] if line.strip()]


def test_the_committed_results_fit_one_screen(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    for suite in ((), ("--suite", "ablations"), ("--suite", "heads"), ("--suite", "poisoned")):
        lines = call("leaderboard", RESULTS, *suite, plugins="").stdout.splitlines()
        assert len(lines) <= 45
        assert max(map(len, lines)) <= COLUMNS
        assert lines[0].startswith(f"Suite {suite[1] if suite else 'pocket'}: accuracy in % on ")
        assert lines[-1] == f"All tables: freeshot leaderboard {RESULTS} --all"


def test_methods_are_sorted_by_average_rank_and_controls_are_not_ranked(ranking: Call) -> None:
    assert rows(ranking().stdout) == [
        ["1", "alpha", "strict", "1.50", "70.0", "90.0", "50.0"],
        ["1", "beta", "strict", "1.50", "65.0", "70.0", "60.0"],
        ["3", "gamma", "strict", "3.00", "40.0", "40.0", "40.0"],
        ["zero", "(floor)", "strict", "–", "20.0", "20.0", "20.0"],
    ]


def test_rows_can_be_sorted_by_any_column(ranking: Call) -> None:
    assert [row[1] for row in rows(ranking("--sort", "cross-domain").stdout)[:3]] == ["beta", "alpha", "gamma"]
    done = ranking("--sort", "menn")
    assert done.exit_code == 2
    assert "No column is called 'menn'. Did you mean 'mean'?" in done.stderr


def test_the_number_of_rows_can_be_limited(ranking: Call) -> None:
    output = ranking("--top", "1").stdout
    assert [row[1] for row in rows(output.replace("2 more rows", ""))[:1]] == ["alpha"]
    assert "2 more rows: --top 3 shows them." in output


def test_methods_keep_their_position_among_all(ranking: Call) -> None:
    assert [row[:2] for row in rows(ranking("-m", "gamma").stdout)] == [["3", "gamma"]]
    done = ranking("-m", "gama")
    assert done.exit_code == 2
    assert "No row or method of 'near' is called 'gama'. Did you mean 'gamma'?" in done.stderr


def test_tracks_can_be_selected(ranking: Call) -> None:
    output = ranking("--track", "cross-domain/*").stdout
    assert [row[:2] for row in rows(output)[:3]] == [["1", "beta"], ["2", "alpha"], ["3", "gamma"]]
    assert "on 1 track" in output
    assert "No track with records is called 'near/*'." in ranking("--track", "near/*").stderr


def test_a_row_that_lacks_a_track_has_no_rank(ranking: Call, tmp_path: Path) -> None:
    make_record("part", "in-domain/a/5w1s", mean=0.85, suite="near").write(tmp_path / "part.json")
    make_record("part", "cross-domain/b/5w1s", status="failed", reason="It broke.", suite="near").write(
        tmp_path / "failed.json"
    )
    output = ranking().stdout
    assert ["–", "part", "strict", "–", "–", "85.0", "–", "1"] in rows(output)
    assert "Rows with missing tracks have no rank and no mean." in output


def test_without_a_main_suite_the_suite_with_most_records_is_shown(ranking: Call, tmp_path: Path) -> None:
    make_record("other", "in-domain/a/5w1s", suite="another").write(tmp_path / "another.json")
    output = ranking().stdout
    assert output.startswith("Suite near: ")
    assert "Other suites: another (--suite NAME)." in output


def test_the_main_suite_is_shown_even_with_fewer_records(
    call: Call, ranking: Call, install: Install, tmp_path: Path
) -> None:
    install(
        "fake",
        """
        @hookimpl
        def freeshot_suites(): return [Suite("chief", "", (), {}, main=True)]
    """,
    )
    make_record("other", "in-domain/a/5w1s", suite="chief").write(tmp_path / "chief.json")
    assert call("leaderboard", str(tmp_path)).stdout.startswith("Suite chief: ")
    assert ranking().stdout.startswith("Suite near: ")


def test_records_that_are_not_comparable_are_counted(call: Call, tmp_path: Path) -> None:
    make_record("alpha", limit=5).write(tmp_path / "limited.json")
    output = call("leaderboard", str(tmp_path), plugins="").stdout
    assert output.splitlines() == [
        "1 record is limited or not comparable, and not ranked.",
        f"All tables: freeshot leaderboard {tmp_path} --all",
    ]


def test_the_command_for_all_tables_can_be_copied(call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "my results"
    make_record("alpha").write(folder / "alpha.json")
    output = call("leaderboard", str(folder), plugins="").stdout
    assert output.splitlines()[-1] == f"All tables: freeshot leaderboard '{folder}' --all"
