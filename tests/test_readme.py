"""The README's code and commands work as they are written, only smaller, and its length and lists are checked."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests import cli_fork_server

from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import load_plugins

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SMALLER = {
    "freeshot recycle": "--preset pocket -o per_class=3 -o inversion.iterations=1 -o learner.iterations=2",
    "freeshot run toy": "--track toy/in-domain/2w1s",
    "freeshot run pocket": "--limit 5",
}
"""Options that are added to a command so that it takes seconds."""
LORAS = (
    "freeshot pool build my-loras --source sketch --count 2 --backbone pocket-vit --steps 2 --batch 4 --out my-loras"
)


def section(title: str) -> str:
    text = re.search(rf"^## {title}\n(.*?)^## ", README, re.MULTILINE | re.DOTALL)
    assert text is not None
    return text[1]


def commands(title: str) -> list[str]:
    """Return the commands of a section, in order."""
    return re.findall(r"^\$ (.*?)(?:\s+#.*)?$", section(title), re.MULTILINE)


def run(command: str, folder: Path) -> str:
    for start, options in SMALLER.items():
        command += f" {options}" if command.startswith(start) else ""
    words = command.replace("'", "").split()
    program = [sys.executable] if words[0] == "python" else [cli_fork_server.command_folder() / words[0]]
    done = subprocess.run([*program, *words[1:]], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def run_all(ran: list[str], folder: Path) -> dict[str, str]:
    """Run commands in a folder: the first three words of each → what it printed."""
    return {" ".join(command.split()[:3]): run(command, folder) for command in ran}


@pytest.fixture(scope="module")
def own_loras(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("own-loras")
    run(LORAS, folder)
    return run_all(commands("Use your own LoRAs"), folder)


def test_it_is_at_most_150_lines_long() -> None:
    assert len(README.splitlines()) <= 150


def test_every_link_leads_to_a_file(repository: Path) -> None:
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)]+)\)", README)]
    assert [target for target in targets if target and not (repository / target).exists()] == []


def test_the_first_commands_run(tmp_path: Path) -> None:
    install, first, second = commands("Try it")
    assert install == "pip install ."
    assert "4 cells ran: 4 finished." in run(first, tmp_path)
    assert "freeshot leaderboard first --all" in run(second, tmp_path)


def test_the_plugin_passes_its_check_and_runs(tmp_path: Path) -> None:
    (code,) = re.findall(r'^```python title="mine.py"\n(.*?)^```', README, re.MULTILINE | re.DOTALL)
    (tmp_path / "mine.py").write_text(code, encoding="utf-8")
    outputs = run_all(commands("Write a method"), tmp_path)
    assert "✗" not in outputs["freeshot plugin check"]
    assert "learner=mine" in outputs["freeshot run toy"]
    assert "freeshot-my-learner/pyproject.toml" in outputs["freeshot plugin new"]


def test_pictures_are_laid_out_and_classified(own_loras: dict[str, str]) -> None:
    assert "Pictures of " in own_loras["python -m freeshot_vision.pocket.samples"]
    assert "2 LoRAs" in own_loras["freeshot recycle my-loras"]
    table = own_loras["freeshot predict --adapter"].splitlines()
    assert table[0].split()[:2] == ["picture", "class"]
    assert len(table) == 1 + 5 * 3
    assert "5-way" in own_loras["freeshot evaluate meta-lora"]


def test_loras_are_imported_as_a_pool(own_loras: dict[str, str]) -> None:
    imported = own_loras["freeshot pool import"]
    assert "lora-000, lora-001" in imported
    assert imported.endswith("Saved the pool 'my-loras' in pools/my-loras.\n")


def test_every_method_is_in_one_family() -> None:
    listed = re.findall(r"`([a-z-]+)`", re.sub(r"\([^)]*`[^)]*\)", "", section("Methods")))
    assert sorted(listed) == sorted(Catalogue(load_plugins()).names("method"))
