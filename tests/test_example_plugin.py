"""A third-party plugin of five lines, installed as a distribution of its own, reaches the leaderboard."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Installed

TRACK = "toy/in-domain/2w1s"


@pytest.fixture(scope="module")
def freeshot(repository: Path, pip_install: Callable[..., Installed]) -> Installed:
    """Install tests/example_plugin."""
    return pip_install(repository / "tests/example_plugin")


def test_the_plugin_is_listed_with_its_version_and_hook(freeshot: Installed) -> None:
    line = next(line for line in freeshot("plugin", "list").splitlines() if line.startswith("reptile "))
    assert "0.1" in line
    assert "freeshot_meta_learners" in line


def test_its_learner_gets_a_record_and_a_leaderboard_row(freeshot: Installed, tmp_path: Path) -> None:
    folders = ["--results", str(tmp_path / "results"), "--cache", str(tmp_path / "cache")]
    learner = ["-o", "learner=proto-five"]  # at the size that the suite's profile sets for any learner
    freeshot("run", "toy", "--track", TRACK, "--method", "lora-recycle", *learner, *folders)

    (record,) = [json.loads(path.read_text()) for path in (tmp_path / "results").rglob("*.json")]
    assert record["status"] == "ok", record["reason"]
    assert record["spec"]["track"]["name"] == TRACK
    assert record["spec"]["components"]["learner"]["name"] == "proto-five"
    assert record["spec"]["components"]["learner"]["options"]["iterations"] == 3
    assert record["spec"]["components"]["learner"]["origin"].startswith("freeshot-reptile 0.1+")  # from a folder
    assert "proto-five" in freeshot("leaderboard", str(tmp_path / "results"))
