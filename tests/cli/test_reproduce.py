"""`freeshot reproduce` runs a record's cell again and compares the results."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from freeshot.records.models import IntervalRecord, RunRecord
from freeshot.stats.intervals import student_t

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from click.testing import Result
    from tests.cli.conftest import Call

PLUGINS = "toy,baselines,lora-recycle,launchers"
TRACK = "toy/in-domain/2w1s"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run one cell and return its record's file."""
    from freeshot.launch.plan import plan_run
    from freeshot.launch.request import RunRequest
    from freeshot.launch.runner import execute_plan
    from freeshot.plugin.catalogue import Catalogue
    from freeshot.plugin.host import load_plugins

    folder = tmp_path_factory.mktemp("made")
    request = RunRequest("toy", tracks=(TRACK,), methods=("frozen-prototype",), results=folder, cache=folder / ".cache")
    catalogue = Catalogue(load_plugins())
    execute_plan(plan_run(request, catalogue), request, catalogue)
    (file,) = folder.rglob("frozen-prototype-*.json")
    return file


@pytest.fixture
def reproduce(call: Call, tmp_path: Path) -> Callable[..., Result]:
    def run(file: Path, *options: str) -> Result:
        return call("reproduce", str(file), "--cache", str(tmp_path / "cache"), *options, plugins=PLUGINS)

    return run


def with_accuracies(file: Path, accuracies: Sequence[float], to: Path) -> Path:
    """Write the record with these accuracies as its result."""
    actual, mean = student_t(accuracies), math.fsum(accuracies) / len(accuracies)
    interval = IntervalRecord(mean=mean, low=actual.low, high=actual.high, level=0.95, covers="episodes")
    update = {"accuracies": list(accuracies), "interval": interval}
    RunRecord.read(file).model_copy(update=update).write(to)
    return to


def test_a_cell_that_is_run_again_gives_the_same_bits(made: Path, reproduce: Callable[..., Result]) -> None:
    before = made.read_bytes()
    result = reproduce(made)
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("The same bits: every episode has the recorded accuracy.\n")
    assert "Over 20 episodes: new − recorded +0.00 points, 90 % interval +0.00 … +0.00;" in result.stdout
    assert made.read_bytes() == before, "the new run does not count as a test evaluation of the record"


def test_the_new_record_can_be_kept_and_counts_its_own_test_evaluation(
    made: Path, reproduce: Callable[..., Result], tmp_path: Path
) -> None:
    assert reproduce(made, "--results", str(tmp_path / "new")).exit_code == 0
    (file,) = (tmp_path / "new").rglob("*.json")
    assert RunRecord.read(file).test_evaluations == 1
    again = reproduce(made, "--results", str(tmp_path / "new"))
    assert again.exit_code == 2
    assert "already exists. Choose an empty folder for --results; records are never overwritten." in again.stderr


@pytest.mark.parametrize(
    ("moved", "margin", "verdict", "code"),
    [
        ((1, -1), "10", "Equivalent: both one-sided tests reject at 5 %, so the difference is within ±10 points.", 0),
        ((1, -1), "0.5", "Not shown: the 90 % interval overlaps ±0.5 points, so neither is shown.", 1),
        ((-3, -2), "0.5", "Different: the 90 % interval is entirely outside ±0.5 points.", 1),
    ],
)
def test_a_different_result_is_tested_for_equivalence(
    made: Path, reproduce: Callable[..., Result], tmp_path: Path, moved: tuple[int, int], margin: str, verdict: str,
    code: int,
) -> None:  # fmt: skip
    recorded = RunRecord.read(made).accuracies
    other = [min(1.0, max(0.0, a + moved[i % 2] / 6)) for i, a in enumerate(recorded)]
    result = reproduce(with_accuracies(made, other, tmp_path / "other.json"), "--margin", margin)
    assert (result.stdout.splitlines()[-1], result.exit_code) == (verdict, code)


def test_a_cell_with_other_hashes_is_not_run(made: Path, reproduce: Callable[..., Result], tmp_path: Path) -> None:
    record = RunRecord.read(made)
    hashes = record.hashes | {"images": "elsewhere"}
    record.model_copy(update={"hashes": hashes}).write(tmp_path / "other.json")
    result = reproduce(tmp_path / "other.json")
    assert result.exit_code == 1
    assert result.stdout == "✗ The record's hash of images is elsewhere, here it is toy-9-3.\n"
    assert result.stderr == "Error: The installed code and data would give a different cell, so it was not run.\n"


def test_stages_from_the_cache_are_reported_as_not_recomputed(call: Call, tmp_path: Path) -> None:
    folders = ("--cache", str(tmp_path / "cache"))
    arguments = ("--track", TRACK, "--method", "lora-recycle", "--results", str(tmp_path / "results"))
    assert call("run", "toy", *arguments, *folders, plugins=PLUGINS).exit_code == 0
    (file,) = (tmp_path / "results").rglob("*.json")
    result = call("reproduce", str(file), *folders, plugins=PLUGINS)
    assert result.exit_code == 0
    assert "not recomputed: inversion, meta-learning. Use an empty --cache to recompute everything." in result.stderr


def test_a_file_that_is_not_a_record_is_an_error(reproduce: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    result = reproduce(tmp_path / "x.json")
    assert result.exit_code == 2
    assert "is not a valid record" in result.stderr
