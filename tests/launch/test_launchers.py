"""Cells may run in any process: their records are the same, and their events are received here."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests import cli_fork_server

from freeshot.basics.errors import OptionError
from freeshot.basics.system import usable_cores
from freeshot.launch.launchers import local
from freeshot.launch.launchers.local import LocalLauncher
from freeshot.records.models import RunRecord
from freeshot.testing.contract import check

if TYPE_CHECKING:
    from tests.conftest import Toy

FOUR = ("--method", "frozen-prototype", "--method", "lora-recycle", "--seed", "0", "--seed", "1")
SMALL = ("-o", "inversion.iterations=3", "-o", "learner.iterations=3", "-o", "per_class=5")
MORTAL = """
import os
from dataclasses import dataclass
from freeshot import Method, hookimpl


@dataclass(frozen=True)
class Mortal(Method):
    "End the process."

    name = "mortal"

    def prepare(self, bench):
        os._exit(9)


@hookimpl
def freeshot_methods():
    return [Mortal]
"""


def start(
    folder: Path, *arguments: str, ok: bool = True, threads: str | None = "1"
) -> subprocess.CompletedProcess[str]:
    """Run toy cells with the command line, in a folder."""
    folder.mkdir(exist_ok=True)
    client = str(cli_fork_server.command_folder() / "freeshot")
    command = [client, "run", "toy", "--track", "toy/*/2w1s", *arguments]
    environment = {name: value for name, value in os.environ.items() if name not in local.THREADS}
    environment |= {"FREESHOT_PLUGINS": "launchers,toy,lora-recycle,baselines"}
    environment |= {} if threads is None else {"OMP_NUM_THREADS": threads}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is ok, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def in_turn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which four cells were run in turn, in one process."""
    folder = tmp_path_factory.mktemp("in-turn")
    start(folder, *FOUR, *SMALL)
    return folder


def records(folder: Path) -> dict[str, RunRecord]:
    return {path.name: RunRecord.read(path) for path in sorted((folder / "results").rglob("*.json"))}


def accuracies(folder: Path) -> dict[str, list[float]]:
    return {name: record.accuracies for name, record in records(folder).items()}


LAUNCHES = ("-l workers=2", "-l workers=4", "--launcher submitit -l cluster=local", "--launcher ray")


@pytest.mark.parametrize("launch", LAUNCHES)
def test_records_are_the_same_with_every_launcher(in_turn: Path, tmp_path: Path, launch: str) -> None:
    done = start(tmp_path, *FOUR, *SMALL, *launch.split())
    actual = accuracies(tmp_path)
    assert actual == accuracies(in_turn)
    assert len(actual) == 4
    assert f"{len(actual)} cells ran: {len(actual)} finished." in done.stdout
    assert "lora-recycle, seed 1: " in done.stdout  # from its events
    assert not list((tmp_path / ".freeshot/runs").iterdir())


def test_a_worker_that_dies_fails_its_own_cell_only(tmp_path: Path) -> None:
    (tmp_path / "mortal.py").write_text(MORTAL)
    plugin = ("--plugin", str(tmp_path / "mortal.py"))
    done = start(tmp_path, "--method", "mortal", "--method", "frozen-prototype", *plugin, "-l", "workers=2", ok=False)
    assert "The worker died or never started. Rerun the command." in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert {name.partition("-")[0] for name in accuracies(tmp_path)} == {"frozen"}


def test_processes_that_need_the_same_inversion_share_its_work(tmp_path: Path) -> None:
    start(tmp_path, "--method", "lora-recycle", *SMALL, "-l", "workers=2")
    cards = [json.loads(path.read_text()) for path in tmp_path.glob(".freeshot/artifacts/inversion/*/card.json")]
    loras = [card["recipe"]["lora"][1] for card in cards]
    assert len(loras) == len(set(loras)) > 0


def test_a_launcher_without_workers_is_an_error() -> None:
    with pytest.raises(OptionError, match="at least one worker"):
        LocalLauncher(workers=0)


def test_workers_share_the_cores_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "usable_cores", lambda: 7)
    for name in local.THREADS:
        monkeypatch.delenv(name, raising=False)
    environments = [local._worker_environment(number, 3) for number in range(3)]
    assert [{variables[name] for name in local.THREADS} for variables in environments] == [{"2"}] * 3


def test_a_worker_computes_with_its_share_of_the_cores(tmp_path: Path) -> None:
    start(tmp_path, "--method", "frozen-prototype", "--seed", "0", "--seed", "1", "-l", "workers=2", threads=None)
    made = [record.provenance.threads for record in records(tmp_path).values()]
    assert made == [max(1, usable_cores() // 2)] * 2


def test_several_workers_pass_the_contract_of_launchers() -> None:
    check(LocalLauncher, workers=2)


@pytest.mark.parametrize("name", ["submitit", "ray"])
def test_a_missing_engine_is_an_error_of_one_sentence(tmp_path: Path, name: str) -> None:
    hide = tmp_path / name
    hide.mkdir()
    (hide / "__init__.py").write_text("raise ImportError")
    done = start(tmp_path, "--method", "frozen-prototype", "--launcher", name, ok=False)
    assert f"Install it: pip install 'freeshot[{name}]'." in done.stderr


SLOW = """
import os, time
from dataclasses import dataclass
from freeshot import InversionMethod, hookimpl


@dataclass(frozen=True)
class Slow(InversionMethod):
    "Take a while for each LoRA, and note the process."

    name = "slow"

    def synthesize(self, teacher, labels, rng):
        import torch

        time.sleep(0.5)
        with open("seen.txt", "a") as seen:
            seen.write(f"{os.getpid()}\\n")
        return torch.rand(len(labels), 3, teacher.image_size, teacher.image_size, generator=rng)


@hookimpl
def freeshot_inversion_methods():
    return [Slow]
"""
ONE = (
    "--method",
    "lora-recycle",
    "--track",
    "toy/in-domain/2w1s",
    "-o",
    "inversion=slow",
    "-o",
    "learner.iterations=3",
)


@pytest.mark.parametrize("assist", [True, False])
def test_an_idle_process_helps_a_busy_one(tmp_path: Path, assist: bool) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    start(tmp_path, *ONE, "--plugin", str(tmp_path / "slow.py"), "-l", "workers=2", "-l", f"assist={assist}")
    processes = (tmp_path / "seen.txt").read_text().split()
    cards = list(tmp_path.glob(".freeshot/artifacts/inversion/*/card.json"))
    assert len(processes) == len(cards) > 1  # each LoRA once, in either process
    assert len(set(processes)) == (2 if assist else 1)


PREEMPTED = """
import os, signal
from dataclasses import dataclass
from pathlib import Path
from freeshot import Method, hookimpl


@dataclass(frozen=True)
class Preempted(Method):
    "Get the signal of SLURM for preempted jobs on the first run."

    name = "preempted"

    def prepare(self, bench):
        with open("starts.txt", "a") as starts:
            starts.write("started\\n")
        if len(Path("starts.txt").read_text().split()) == 1:
            os.kill(os.getpid(), signal.SIGUSR2)
        return bench.frozen()


@hookimpl
def freeshot_methods():
    return [Preempted]
"""


def test_a_job_that_is_preempted_is_queued_again(tmp_path: Path) -> None:
    (tmp_path / "preempted.py").write_text(PREEMPTED)
    plugin = ("--plugin", str(tmp_path / "preempted.py"))
    done = start(tmp_path, "--method", "preempted", *plugin, "--launcher", "submitit", "-l", "cluster=local")
    assert "1 cell ran: 1 finished." in done.stdout
    assert (tmp_path / "starts.txt").read_text().split() == ["started", "started"]
    assert [record.status for record in records(tmp_path).values()] == ["ok"]


def test_weights_are_read_from_any_working_directory(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import timm
    from safetensors.torch import save_file

    from freeshot.launch.worker import CellWorker

    network = timm.create_model("vit_tiny_patch16_224", img_size=16, patch_size=4, num_classes=0)
    (tmp_path / "weights").mkdir()
    save_file(network.state_dict(), tmp_path / "weights/timm.safetensors")
    (tmp_path / "elsewhere").mkdir()
    arguments: dict[str, Any] = {"backbone": "timm:model=vit_tiny_patch16_224,side=16,patch=4", "limit": 2}
    (cell,) = toy.plan("frozen-prototype", **arguments).cells
    request = toy.request("frozen-prototype", **arguments)
    monkeypatch.chdir(tmp_path)
    runner = CellWorker.at(request.context(toy.catalogue), request, tmp_path)
    program = "import pickle, sys; pickle.load(sys.stdin.buffer)()"
    job = pickle.dumps(partial(runner, cell))
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path / "elsewhere", input=job, check=True)
    assert [record.reason for record in records(tmp_path).values()] == [""]
