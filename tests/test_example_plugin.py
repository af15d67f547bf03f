"""A stranger's five lines, installed as a distribution of their own, reach the leaderboard."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

TRACK = "toy/in-domain/2w1s"


@dataclass(frozen=True)
class Installed:
    """The command line of FreeShot where the example plugin is installed."""

    site: Path

    def __call__(self, *arguments: str) -> str:
        """Run a command that must succeed; return what it printed."""
        environment = os.environ | {"PYTHONPATH": str(self.site), "COLUMNS": "200", "NO_COLOR": "1"}
        command = [sys.executable, "-m", "freeshot", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def freeshot(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Install a copy of tests/example_plugin beside FreeShot, as pip would for anybody."""
    source = tmp_path_factory.mktemp("source") / "freeshot-reptile"
    shutil.copytree(repository / "tests/example_plugin", source)
    site = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    options = ["--no-deps", "--no-build-isolation", "--target", str(site)]
    done = subprocess.run([*pip, *options, str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Installed(site)


def test_the_plugin_is_listed_with_its_version_and_hook(freeshot: Installed) -> None:
    (line,) = [line for line in freeshot("plugins").splitlines() if "freeshot-reptile" in line]
    assert "0.1" in line
    assert "freeshot_meta_learners" in line


def test_its_learner_gets_a_record_and_a_leaderboard_row(freeshot: Installed, tmp_path: Path) -> None:
    folders = ["--results", str(tmp_path / "results"), "--cache", str(tmp_path / "cache")]
    learner = ["-o", "learner=proto-five"]  # at the size that the suite's profile asks of any learner
    freeshot("run", "toy", "--track", TRACK, "--method", "lora-recycle", *learner, *folders)

    (record,) = [json.loads(path.read_text()) for path in (tmp_path / "results").rglob("*.json")]
    assert record["status"] == "ok", record["reason"]
    assert record["spec"]["track"]["name"] == TRACK
    assert record["spec"]["parts"]["learner"]["name"] == "proto-five"
    assert record["spec"]["parts"]["learner"]["options"]["iterations"] == 3
    assert record["spec"]["parts"]["learner"]["origin"] == "freeshot-reptile 0.1"
    assert "proto-five" in freeshot("leaderboard", "--results", str(tmp_path / "results"))
