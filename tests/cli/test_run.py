"""`run` builds the request, shows the progress and reports failures; other packages plan and run."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import freeshot.leaderboard.labels  # noqa: F401 - it stays real while its package is a fake
from freeshot.contracts.events import CellFailed
from freeshot.launch.request import MethodChoice
from freeshot.records.models import ComponentSpec
from freeshot.workflows.estimate_cost import StageWork

if TYPE_CHECKING:
    from tests.cli.conftest import Call
    from tests.conftest import Toy


def cell(track: str, method: str, state: str = "todo", reason: str = "", **parts: str) -> SimpleNamespace:
    spec = SimpleNamespace(
        cell=f"{track}-{method}",
        title=f"{track} · {method}",
        seed=0,
        suite="pocket",
        precision="fp32",
        track=SimpleNamespace(name=track, pool_override=""),
        method=ComponentSpec(kind="method", name=method),
        components={option: ComponentSpec(kind="part", name=name) for option, name in parts.items()},
    )
    return SimpleNamespace(spec=spec, state=state, reason=reason)


class Fakes:
    """Fakes of the packages that plan, run and report."""

    def __init__(self) -> None:
        self.plan = SimpleNamespace(
            cells=(
                cell("near/5w1s", "frozen", "done", "already done"),
                cell("near/5w1s", "lora-recycle", learner="proto"),
                cell("far/5w1s", "tune", "skip", "It has no images."),
            ),
            missing=(),
        )
        self.estimate = SimpleNamespace(
            unknown=0,
            stages={"inversion": (StageWork(400.0, 30, 40),), "evaluation": (StageWork(10.0), StageWork(10.0))},
            seconds=120.0,
            devices=["a CPU", "an H200"],
            disk=21_000_000,
        )
        self.request: Any = None
        self.records: list[Any] = []
        self.event: CellFailed | None = None
        self.ran = False
        self.outcome: SimpleNamespace | None = None

    def plan_run(self, request: object, catalogue: object) -> object:
        self.request = request
        return self.plan

    def execute_plan(self, plan: object, request: object, catalogue: Any) -> object:
        self.ran = True
        if self.event:
            catalogue.host.manager.hook.freeshot_event(event=self.event)
        if self.outcome is not None:
            return self.outcome
        failed = sum(record.status != "ok" for record in self.records) or bool(self.event)
        return SimpleNamespace(finished=2 - failed, failed=int(failed), skipped=2)

    def short_ranking(self, records: list[Any], selection: object) -> Any:
        names = " ".join(record.spec.track.name for record in records)
        return SimpleNamespace(empty=any(record.status != "ok" for record in records), names=names)


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Fakes:
    monkeypatch.chdir(tmp_path)  # each run leaves its file in results/
    fakes = Fakes()
    report: dict[str, Any] = {
        "load_records": lambda folder: SimpleNamespace(records=fakes.records, problems=[]),
        "short_ranking": fakes.short_ranking,
        "Selection": lambda: None,
    }
    modules: dict[str, dict[str, Any]] = {
        "freeshot.launch.plan": {"plan_run": fakes.plan_run},
        "freeshot.workflows.estimate_cost": {"estimate_cost": lambda *_: fakes.estimate},
        "freeshot.launch.runner": {"execute_plan": fakes.execute_plan},
        "freeshot.records.load": {"load_records": report["load_records"]},
        "freeshot.leaderboard": {name: report[name] for name in ("short_ranking", "Selection")},
        "freeshot.cli.ranking": {
            "print_ranking": lambda console, ranking: ranking.empty or console.print(f"ranking of {ranking.names}")
        },
    }
    for name, content in modules.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    return fakes


def record(track: str, method: str, status: str = "ok", reason: str = "") -> SimpleNamespace:
    spec = cell(track, method).spec
    return SimpleNamespace(cell=spec.cell, spec=spec, status=status, reason=reason)


def test_without_options_the_defaults_are_requested(call: Call, fakes: Fakes) -> None:
    assert call("run", "pocket", plugins="").exit_code == 0
    requested = fakes.request
    assert (requested.suite, requested.profile, requested.tracks, requested.seeds, requested.device) == (
        "pocket",
        None,
        (),
        (),
        "cpu",
    )
    assert (requested.results, requested.launcher, requested.rerun) == (Path("results"), "local", False)


def test_every_option_reaches_the_request(call: Call, fakes: Fakes, tmp_path: Path) -> None:
    folder = str(tmp_path)
    done = call(
        *("run", "pocket", "--profile", "quick", "--track", "near/*", "--track", "far/*", "--method", "frozen"),
        *("-o", "learner=proto", "--option", "learner.lr=0.1", "--backbone", "tiny", "--seed", "1", "--seed", "2"),
        *(
            "--limit",
            "20",
            "--device",
            "auto",
            "--precision",
            "bf16",
            "--results",
            folder,
            "--cache",
            folder,
            "--data",
            folder,
        ),
        *("--launcher", "slurm", "--rerun"),
        plugins="",
    )
    assert done.exit_code == 0, done.output
    requested = fakes.request
    assert (requested.profile, requested.tracks, requested.methods) == ("quick", ("near/*", "far/*"), ("frozen",))
    assert (requested.options, requested.backbone, requested.seeds) == (
        ("learner=proto", "learner.lr=0.1"),
        "tiny",
        (1, 2),
    )
    assert (requested.limit, requested.device, requested.launcher, requested.rerun) == (20, "auto", "slurm", True)
    assert requested.precision == "bf16"
    assert requested.results == requested.cache == requested.data == tmp_path


def test_a_dry_run_prints_the_grid_and_the_estimate_and_runs_nothing(call: Call, fakes: Fakes) -> None:
    done = call("run", "--dry-run", plugins="")
    assert [" ".join(line.split()) for line in done.stdout.splitlines()] == [
        "track method seed state reason",
        "near/5w1s frozen 0 done already done",
        "near/5w1s lora-recycle (proto) 0 todo",
        "far/5w1s tune 0 skip It has no images.",
        "1 of 3 cells to run.",
        "",
        "stage runs in the cache time",
        "inversion 1 30 of 40 1 min 40 s",
        "evaluation 2 – 20 s",
        "In total about 2 min 00 s, as comparable records took on a CPU, an H200, and 21 MB of disk.",
    ]
    assert not fakes.ran


def test_a_dry_run_counts_the_cells_without_a_cost_estimate(call: Call, fakes: Fakes) -> None:
    fakes.estimate.unknown, fakes.estimate.stages = 1, {}
    output = call("run", "--dry-run", plugins="").stdout
    assert "No cost estimate for 1 cell (no comparable record)." in output
    assert "In total" not in output


def test_a_dry_run_of_finished_cells_has_no_cost(call: Call, fakes: Fakes) -> None:
    fakes.plan.cells = fakes.plan.cells[:1]
    assert call("run", "--dry-run", plugins="").stdout.splitlines()[-1] == "0 of 1 cells to run."


def test_after_a_run_the_board_of_its_tracks_and_the_folder_are_shown(call: Call, fakes: Fakes) -> None:
    fakes.records = [record("near/5w1s", "frozen"), record("elsewhere/5w1s", "frozen")]
    done = call("run", plugins="")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "",
        "2 cells ran: 2 finished. 1 cell finished before (--rerun runs it again). 1 cell skipped.",
        "",
        "ranking of near/5w1s",
        "",
        "Records: results",
        "All tables: freeshot leaderboard --suite pocket --all",
    ]


def test_a_run_with_nothing_to_do_names_the_option_that_repeats_it(call: Call, fakes: Fakes) -> None:
    fakes.plan.cells = fakes.plan.cells[:1]
    fakes.outcome = SimpleNamespace(finished=0, failed=0, skipped=1)
    output = call("run", "--results", "elsewhere", plugins="").stdout.splitlines()
    assert output[1] == "Nothing to run. 1 cell finished before (--rerun runs it again)."
    assert output[-2:] == ["Records: elsewhere", "All tables: freeshot leaderboard elsewhere --suite pocket --all"]


def test_a_failed_cell_is_named_with_its_reason_and_exits_with_one(call: Call, fakes: Fakes) -> None:
    fakes.records = [record("near/5w1s", "older", "failed", "Not of this run.")]
    fakes.event = CellFailed("near/5w1s · lora-recycle", "The disk is full.")
    done = call("run", plugins="")
    assert done.exit_code == 1
    assert "Not of this run." not in done.stdout
    assert done.stdout.splitlines()[-6:] == [
        "",
        "2 cells ran: 1 finished, 1 failed. 1 cell finished before (--rerun runs it again). 1 cell skipped.",
        "near/5w1s · lora-recycle: The disk is full.",
        "",
        "Records: results",
        "All tables: freeshot leaderboard --suite pocket --all",
    ]


def test_a_violated_cell_is_not_called_failed(call: Call, fakes: Fakes) -> None:
    fakes.event = CellFailed("near/5w1s · lora-recycle", "It opened the test images.", status="violated")
    done = call("run", plugins="")
    assert done.exit_code == 1
    assert "2 cells ran: 1 finished, 1 violated." in done.stdout
    assert "near/5w1s · lora-recycle: violated. It opened the test images." in done.stdout.splitlines()
    assert "failed" not in done.stdout


FILE = """
suite = "pocket"
tracks = ["near/*"]
methods = ["frozen", {name = "tune", steps = 3}]
limit = 5
launcher = {name = "ray", workers = 2}
"""


def test_a_file_gives_the_arguments(call: Call, fakes: Fakes) -> None:
    Path("mine.toml").write_text(FILE, encoding="utf-8")
    assert call("run", "mine.toml", plugins="").exit_code == 0
    requested = fakes.request
    assert (requested.suite, requested.tracks, requested.limit) == ("pocket", ("near/*",), 5)
    assert requested.methods == ("frozen", MethodChoice("tune", (("steps", 3),)))
    assert (requested.launcher, requested.launcher_options) == ("ray", ("workers=2",))
    assert requested.results == Path("results")


def test_the_command_line_replaces_what_the_file_gives(call: Call, fakes: Fakes) -> None:
    Path("mine.toml").write_text(FILE, encoding="utf-8")
    call("run", "mine.toml", "--limit", "9", "--launcher", "local", "--method", "other", "--rerun", plugins="")
    requested = fakes.request
    assert (requested.tracks, requested.limit, requested.methods, requested.rerun) == (("near/*",), 9, ("other",), True)
    assert (requested.launcher, requested.launcher_options) == ("local", ())


def test_a_precision_of_a_file_is_measured(call: Call, fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freeshot.engine.vit.bf16.faster_precision", lambda device: ("bf16", 1.5))
    Path("mine.toml").write_text('suite = "pocket"\nprecision = "auto"', encoding="utf-8")
    done = call("run", "mine.toml", plugins="")
    assert fakes.request.precision == "bf16"
    assert "Precision: bf16 (on cpu, bf16 is 1.5 times as fast as fp32)." in done.stdout


def test_a_broken_file_is_one_line_on_stderr(call: Call, fakes: Fakes) -> None:
    Path("mine.toml").write_text("suite = ", encoding="utf-8")
    done = call("run", "mine.toml", plugins="")
    assert (done.exit_code, fakes.ran) == (2, False)
    assert done.stderr == (
        "Error: mine.toml is not valid TOML: Invalid value (at end of document). Correct it there.\n"
    )


def test_a_run_leaves_the_file_that_repeats_it_and_a_dry_run_none(call: Call, fakes: Fakes) -> None:
    call("run", "pocket", "--limit", "3", "--dry-run", plugins="")
    assert not Path("results").exists()
    call("run", "pocket", "--limit", "3", plugins="")
    (file,) = Path("results/runs").iterdir()
    first = fakes.request
    call("run", str(file), plugins="")
    assert fakes.request == first


def test_finished_cells_without_predictions_are_counted(call: Call, toy: Toy) -> None:
    arguments = ("run", "toy", "--track", "*/2w1s", "--method", "frozen-prototype")
    folders = ("--results", str(toy.results), "--cache", str(toy.cache))
    plugins = "toy,baselines,launchers"
    call(*arguments, *folders, plugins=plugins)
    sentence = "1 finished cell without saved predictions; --rerun makes them."
    assert sentence in call(*arguments, *folders, "--save-predictions", plugins=plugins).stdout
    assert sentence not in call(*arguments, *folders, "--save-predictions", "--rerun", plugins=plugins).stdout
    assert len(list(toy.results.rglob("*.npz"))) == 1
