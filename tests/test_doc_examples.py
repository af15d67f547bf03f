"""The examples of the documentation, each a distribution of its own: installed, checked, and run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Installed

EXAMPLES = sorted((Path(__file__).parents[1] / "docs/examples").iterdir())
PARTS = {
    "freeshot-angle": "learner=angle",
    "freeshot-fourier": "inversion=fourier",
    "freeshot-loudest": "strategy=loudest",
}
"""Examples that are parts of LoRA Recycle."""


@pytest.fixture(scope="module")
def freeshot(pip_install: Callable[..., Installed]) -> Installed:
    """Install every example."""
    return pip_install(*EXAMPLES)


def test_each_hook_has_an_example(freeshot: Installed) -> None:
    listed = freeshot("plugin", "list")
    for hook in ("meta_learners", "inversion_methods", "efficiency_strategies", "datasets", "backbones"):
        assert [line for line in listed.splitlines() if "0.1+" in line and f"freeshot_{hook}" in line], hook


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_passes_the_contract_and_is_short(freeshot: Installed, example: Path) -> None:
    freeshot("plugin", "check", example.name.removeprefix("freeshot-"))
    (module,) = example.glob("*.py")
    assert len(module.read_text().splitlines()) < 60


@pytest.mark.parametrize("example", sorted(PARTS))
def test_parts_run_in_lora_recycle(freeshot: Installed, example: str, tmp_path: Path) -> None:
    folders = ("--results", str(tmp_path / "r"), "--cache", str(tmp_path / "c"))
    suite = ("run", "toy", "--track", "toy/in-domain/2w1s", "--method", "lora-recycle")
    assert PARTS[example].partition("=")[2] in freeshot(*suite, "-o", PARTS[example], *folders)
