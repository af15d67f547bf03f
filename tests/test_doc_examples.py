"""The examples of the documentation, each a distribution of its own: installed, checked, and run."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "docs/examples").iterdir())
PARTS = {
    "freeshot-angle": "learner=angle",
    "freeshot-fourier": "inversion=fourier",
    "freeshot-loudest": "strategy=loudest",
}
"""Examples that are parts of LoRA Recycle."""


@dataclass(frozen=True)
class Installed:
    """The command line of FreeShot where all examples are installed."""

    site: Path

    def __call__(self, *arguments: str) -> str:
        """Run a command that must succeed; return what it printed."""
        environment = os.environ | {"PYTHONPATH": str(self.site), "COLUMNS": "200", "NO_COLOR": "1"}
        command = [sys.executable, "-m", "freeshot", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def freeshot(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Install every example beside FreeShot, as pip would for anybody."""
    site = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    done = subprocess.run(
        [*pip, "--no-build-isolation", "--target", str(site), *map(str, EXAMPLES)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Installed(site)


def test_there_is_one_of_each_sort(freeshot: Installed) -> None:
    listed = freeshot("plugins")
    for hook in ("meta_learners", "inversion_methods", "efficiency_strategies", "datasets", "backbones"):
        assert [line for line in listed.splitlines() if "0.1 " in line and f"freeshot_{hook}" in line], hook


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_keeps_the_contract_and_is_short(freeshot: Installed, example: Path) -> None:
    freeshot("plugin", "check", example.name.removeprefix("freeshot-"))
    (module,) = example.glob("*.py")
    assert len(module.read_text().splitlines()) < 60


@pytest.mark.parametrize("example", sorted(PARTS))
def test_parts_go_into_lora_recycle(freeshot: Installed, example: str, tmp_path: Path) -> None:
    folders = ("--results", str(tmp_path / "r"), "--cache", str(tmp_path / "c"))
    suite = ("run", "toy", "--track", "toy/in-domain/2w1s", "--method", "lora-recycle")
    assert PARTS[example].partition("=")[2] in freeshot(*suite, "-o", PARTS[example], *folders)
