"""Each invalid input is reported in one clear sentence and by the exit code."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from freeshot.testing import toy as world

if TYPE_CHECKING:
    from click.testing import Result
    from tests.cli.conftest import Call
    from tests.conftest import Install

PLUGINS = "launchers,toy,lora-recycle,baselines"
TRACK = "toy/in-domain/2w1s"


@pytest.fixture
def run(call: Call, tmp_path: Path) -> Any:
    """Call `freeshot run toy` on one track, with folders of the test."""

    def go(*arguments: str, plugins: str = PLUGINS) -> Result:
        folders = ("--results", str(tmp_path / "results"), "--cache", str(tmp_path / "cache"))
        return call("run", *arguments, *folders, plugins=plugins)

    return go


def on_track(*arguments: str) -> tuple[str, ...]:
    return ("toy", "--track", TRACK, *arguments)


def assert_error(done: Result, sentence: str, code: int = 2) -> None:
    """Check that the sentence is the only output on stderr."""
    (line,) = done.stderr.splitlines()
    assert sentence in line
    assert "Traceback" not in done.output
    assert done.exit_code == code


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("toi",), "Error: No suite is called 'toi'. Did you mean 'toy'?"),
        (("toy", "--profile", "fulll"), "Error: No profile of 'toy' is called 'fulll'. Did you mean 'full'?"),
        (("toy", "--track", "toy/in-domain/2w1"), "Error: No track is called 'toy/in-domain/2w1'. Did you mean"),
        (("toy", "--method", "nois"), "Error: No method is called 'nois'. Did you mean 'noise'?"),
        (on_track("--backbone", "toy-vti"), "Error: No backbone is called 'toy-vti'. Did you mean 'toy-vit'?"),
        (on_track("--launcher", "locl"), "Error: No launcher is called 'locl'. Did you mean 'local'?"),
        (
            on_track("--method", "noise", "-o", "rnk=3"),
            "Error: No method of this run has an option 'rnk'. Did you mean",
        ),
        (on_track("--method", "noise", "-o", "rank=x"), "Error: Option 'rank' of 'noise' cannot be 'x'; expected int"),
        (on_track("--method", "noise", "-o", "rank"), "Error: Invalid option 'rank': expected KEY=VALUE"),
        (("--method", "noise"), "Error: Nothing to run: give a suite"),
    ],
)
def test_a_wrong_name_or_value_is_reported_before_anything_runs(
    run: Any, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    assert_error(run(*arguments), sentence)
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (errno.EROFS, "cannot be written. Choose another with --results or --cache."),
        (errno.EACCES, "cannot be written. Choose another with --results or --cache."),
        (errno.ENOSPC, "The disk is full:"),
    ],
)
def test_results_that_cannot_be_written_are_an_error(
    run: Any, monkeypatch: pytest.MonkeyPatch, code: int, sentence: str
) -> None:
    make = tempfile.mkstemp

    def refuse(*arguments: Any, **options: Any) -> Any:
        if "results" in str(options.get("dir")):
            raise OSError(code, os.strerror(code))
        return make(*arguments, **options)

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    assert_error(run(*on_track("--method", "frozen-prototype")), sentence)


def test_a_cache_that_cannot_be_created_is_an_error(run: Any, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "locks").write_text("in the way")
    assert_error(
        run(*on_track("--method", "frozen-prototype")), "cannot be written (File exists). Choose another --cache."
    )


@pytest.fixture
def own_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the toy world a copy of its pool that may be damaged."""
    copy = tmp_path / "pool"
    shutil.copytree(world.POOL, copy)
    monkeypatch.setattr(world, "POOL", copy)
    return copy


def assert_failed(done: Result, sentence: str) -> None:
    """Check that the cell failed, and that only its reason is printed beside the counts and the paths."""
    assert done.exit_code == 1
    counts, reason, _, records, tables = done.stdout.splitlines()[-5:]
    assert counts == "1 cell ran: 1 failed."
    assert sentence in reason
    assert (records.partition(":")[0], tables.partition(":")[0]) == ("Records", "All tables")
    assert "Traceback" not in done.output


@pytest.mark.parametrize("file", ["adapter_model.safetensors", "head.safetensors"])
def test_a_truncated_file_of_a_pool_is_named(run: Any, own_pool: Path, file: str) -> None:
    damaged = own_pool / "lora-001" / file
    damaged.write_bytes(damaged.read_bytes()[:100])
    assert_failed(run(*on_track("--method", "noise")), str(damaged))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1, "loras": [{}]}'])
def test_a_damaged_card_of_a_pool_is_named(run: Any, own_pool: Path, content: str) -> None:
    (own_pool / "pool.json").write_text(content)
    assert_failed(run(*on_track("--method", "noise")), str(own_pool / "pool.json"))


def test_a_method_that_needs_no_pool_runs_beside_a_damaged_one(run: Any, own_pool: Path) -> None:
    (own_pool / "pool.json").write_text("{")
    done = run(*on_track("--method", "noise", "--method", "frozen-prototype"))
    assert "2 cells ran: 1 finished, 1 failed." in done.stdout


OTHER = '''
from freeshot.testing.toy import ToyVit

@dataclass(frozen=True)
class OtherVit(ToyVit):
    """The toy network with other weights."""
    name = "other-vit"

    def build(self):
        vit = super().build()
        vit.norm.weight.data.mul_(2)
        return vit

@hookimpl
def freeshot_backbones():
    return [OtherVit]
'''


def test_a_pool_of_another_backbone_is_refused(run: Any, install: Install) -> None:
    install("other", OTHER)
    done = run(*on_track("--method", "noise", "--backbone", "other-vit"), plugins=f"{PLUGINS},other")
    assert_failed(done, "The pool 'toy' was tuned on toy-vit (376bf536…), but the backbone here is")
    assert "Choose another --backbone or another pool." in done.stdout


def damage_record(results: Path) -> Path:
    (path,) = results.rglob("frozen-prototype-*.json")
    path.write_text(path.read_text()[:200])
    return path


def test_a_damaged_record_is_written_again_by_its_run(run: Any, tmp_path: Path) -> None:
    run(*on_track("--method", "frozen-prototype"))
    path = damage_record(tmp_path / "results")
    done = run(*on_track("--method", "frozen-prototype"))
    assert "1 cell ran: 1 finished." in done.stdout
    assert path.read_text().endswith("}\n")


def test_a_damaged_record_is_named_by_the_leaderboard(run: Any, call: Call, tmp_path: Path) -> None:
    run(*on_track("--method", "frozen-prototype"))
    path = damage_record(tmp_path / "results")
    done = call("leaderboard", str(tmp_path / "results"), plugins=PLUGINS)
    assert done.exit_code == 2
    assert f"{path} is not a valid record" in done.stderr
    assert "Traceback" not in done.output


def test_an_interrupted_run_reports_it_and_is_finished_by_its_repetition(tmp_path: Path) -> None:
    folders = ["--results", str(tmp_path / "results"), "--cache", str(tmp_path / "cache")]
    sizes = ["-o", "lrs=1e-3", "-o", "steps=15", "-o", "heads=zero", "-o", "trials=1"]
    # saves after each episode, so that the test can wait for a file; and handles interrupts, even where the tests run
    # in the background
    start = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from freeshot.cli import main; from freeshot.pipeline import evaluate as tuned; "
        " tuned.SAVE_EVERY = 1; main()"
    )
    command = [sys.executable, "-c", start, "run", *on_track("--method", "full-finetuning"), *sizes, *folders]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 120
        while not list(tmp_path.glob("cache/cells/*.safetensors")) and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130, out + err
    assert err.splitlines() == ["Interrupted. Finished work is kept; rerun the command to continue."]
    assert len(list(tmp_path.glob("cache/cells/*.safetensors"))) == 1
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert "1 cell ran: 1 finished." in again.stdout
