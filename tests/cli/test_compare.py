"""`freeshot compare` prints which of two rows is better, or why they cannot be compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.leaderboard.conftest import make_record

if TYPE_CHECKING:
    from tests.cli.conftest import Call

RESULTS = str(Path(__file__).parents[2] / "results")


def test_two_committed_rows_are_compared(call: Call) -> None:
    result = call("compare", "lora-recycle", "noise", "--suite", "pocket", RESULTS, plugins="")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    (row,) = [line for line in lines if line[:1] == ["in-domain/icons/5w1s"]]
    assert row[-1] == "better"
    assert "Over 12 tracks: 12 better" in result.stdout
    assert "one training seed" in result.stderr


def test_rows_with_seeds_are_compared_as_methods(call: Call, tmp_path: Path) -> None:
    for method, means in {"alpha": (0.55, 0.5, 0.51), "beta": (0.5, 0.5, 0.5)}.items():
        for seed, mean in enumerate(means):
            make_record(method, mean=mean, seed=seed).write(tmp_path / f"{method}-{seed}.json")
    result = call("compare", "alpha", "beta", str(tmp_path), plugins="")
    assert result.exit_code == 0, result.output
    (heads, row) = (line.split() for line in result.stdout.splitlines()[2:4])
    assert " ".join(heads).endswith("BCa over seeds p (Holm) Wilcoxon d_z A wins verdict")
    assert row[-1] == "undecided"
    assert "is about the methods" in result.stdout
    assert "about that run" not in result.stderr


def test_tracks_and_the_region_can_be_chosen(call: Call) -> None:
    arguments = ("compare", "lora-recycle", "noise", "--suite", "pocket", RESULTS)
    result = call(*arguments, "--track", "*/digits/*", "--margin", "50", plugins="")
    assert "Over 2 tracks: 2 equal" in result.stdout
    assert "too few for a claim across tracks" in result.stderr


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (("lora-recycle", "nose"), "No row or method with records is called 'nose'. Did you mean 'noise'?"),
        (("lora-recyle", "noise"), "Did you mean 'lora-recycle'?"),
        (("--suite", "pocket", "lora-recycle", "nose"), "No row or method of 'pocket' is called 'nose'."),
        (("--suite", "pocke", "lora-recycle", "noise"), "No suite with records is called 'pocke'. Did you mean"),
        (
            ("noise", "lora-recycle [strategy=none]"),
            "has both rows. Suites with records: ablations, ",
        ),
        (("--suite", "pocket", "noise", "lora-recycle [strategy=none]"), "No row or method of 'pocket' is called"),
        (("free", "bell"), "'bell' is a component, not a row or method. Use a row that has it, e.g. 'free"),
    ],
)
def test_a_missing_row_suite_or_board_is_an_error(call: Call, rows: tuple[str, ...], message: str) -> None:
    result = call("compare", *rows, RESULTS, plugins="")
    assert result.exit_code != 0
    assert message in result.stderr


def test_without_records_nothing_is_compared(call: Call, tmp_path: Path) -> None:
    assert "There are no records" in call("compare", "a", "b", str(tmp_path), plugins="").stderr


def test_a_label_of_one_board_takes_precedence_over_a_method_of_another(call: Call) -> None:
    result = call("compare", "free", "lora-recycle", RESULTS, plugins="")
    assert "Over 12 tracks" in result.stdout
    short = call("compare", "lora-recycle", "lora-recycle [strategy=none]", RESULTS, plugins="")
    assert "Over 8 tracks" in short.stdout
