"""The README's commands about one's own LoRAs do what it says; they are run as they stand, only smaller."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SMALLER = {
    "freeshot recycle": "--option per_class=3 --option inversion.iterations=1 --option learner.iterations=2",
    "freeshot pool build": "--steps 2 --batch 4",
}
"""Options that are added to a command so that it takes seconds."""


def commands(section: str) -> list[str]:
    """Return the commands of a section, in order."""
    text = re.search(rf"^## {section}\n(.*?)^## ", README, re.MULTILINE | re.DOTALL)
    assert text is not None
    return re.findall(r"^\$ (.*?)(?:\s+#.*)?$", text.group(1), re.MULTILINE)


def run(command: str, folder: Path) -> str:
    for start, options in SMALLER.items():
        command += f" {options}" if command.startswith(start) else ""
    words = command.split()
    program = [sys.executable] if words[0] == "python" else [sys.executable, "-m", words[0]]
    done = subprocess.run([*program, *words[1:]], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Run the tutorial in an empty folder: the first words of each command → what it printed."""
    folder = tmp_path_factory.mktemp("tutorial")
    return {" ".join(command.split()[:3]): run(command, folder) for command in commands("Your own LoRAs")}


def test_pictures_are_laid_out_and_classified(outputs: dict[str, str]) -> None:
    assert "Pictures of " in outputs["python -m freeshot_vision.pocket.samples"]
    assert "40 LoRAs" in outputs["freeshot recycle pocket"]
    table = outputs["freeshot predict --adapter"].splitlines()
    assert table[0].split() == ["picture", "class", "probability"]
    assert len(table) == 1 + 5 * 3


def test_pools_are_built_shown_checked_and_imported(outputs: dict[str, str]) -> None:
    assert outputs["freeshot pool build"].endswith("Saved the pool 'mine' (2 LoRAs) in pools/mine.\n")
    assert "lora-001" in outputs["freeshot pool show"]
    assert outputs["freeshot pool check"].count(": ok (") == 2
    assert outputs["freeshot pool import"] == (
        "Imported 2 LoRAs: lora-000, lora-001.\nSaved the pool 'theirs' in pools/theirs.\n"
    )
