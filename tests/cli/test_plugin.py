"""`freeshot plugin` creates plugins and checks them against the contract; a file is a plugin too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Call

LAZY = '''
from dataclasses import dataclass
from freeshot import Launcher, hookimpl

@dataclass(frozen=True)
class Lazy(Launcher):
    """Runs some of the cells."""

    name = "lazy"
    share: float = 1.0
    """Of the cells, 0…1."""

    def launch(self, cells, run_cell):
        for cell in cells[: round(self.share * len(cells))]:
            run_cell(cell)

@hookimpl
def freeshot_launchers():
    return [Lazy]
'''


@pytest.fixture
def lazy(tmp_path: Path) -> str:
    (tmp_path / "lazy_launcher.py").write_text(LAZY)
    return str(tmp_path / "lazy_launcher.py")


def test_a_new_plugin_is_written_and_the_next_step_printed(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    output = call("plugin", "new", "my-idea", "--kind", "column", plugins="").stdout
    assert (tmp_path / "freeshot-my-idea/freeshot_my_idea.py").exists()
    assert "pip install -e freeshot-my-idea" in output
    again = call("plugin", "new", "my-idea", "--kind", "column", plugins="")
    assert again.exit_code != 0
    assert "is not empty" in again.stderr


def test_a_kind_is_required(call: Call) -> None:
    assert "Missing option '--kind'" in call("plugin", "new", "my-idea", plugins="").stderr


def test_a_file_that_meets_the_contract_passes(call: Call, lazy: str) -> None:
    result = call("plugin", "check", lazy, plugins="")
    assert result.exit_code == 0, result.output
    assert "✓ runs every cell once" in result.stdout


def test_for_a_file_that_does_not_the_violated_rule_is_printed(call: Call, lazy: str) -> None:
    result = call("plugin", "check", lazy, "-o", "share=0.4", plugins="")
    assert result.exit_code == 1
    assert "✗ runs every cell once: Of 3 cells it ran" in result.stdout


def test_parts_and_whole_plugins_can_be_named(call: Call) -> None:
    assert "launcher 'local'" in call("plugin", "check", "local", plugins="launchers").stdout
    assert "launcher 'local'" in call("plugin", "check", "launchers", plugins="launchers").stdout


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lokal", "No component or plugin is called 'lokal'. Did you mean 'local'?"),
        ("gone.py", "gone.py cannot be read (No such file or directory). Use an existing file."),
    ],
)
def test_a_missing_component_or_file_is_an_error(call: Call, name: str, message: str) -> None:
    result = call("plugin", "check", name, plugins="launchers")
    assert result.exit_code != 0
    assert message in result.stderr


def test_the_folder_of_a_new_plugin_is_checked_before_it_is_installed(call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    call("plugin", "new", "my-idea", "--kind", "column", "--out", str(folder), plugins="")
    assert "column 'my-idea'" in call("plugin", "check", str(folder), plugins="").stdout


def test_for_another_folder_the_error_names_the_next_step(call: Call, tmp_path: Path) -> None:
    result = call("plugin", "check", str(tmp_path), plugins="")
    assert result.exit_code == 2
    assert f"Give the plugin's file, or install the folder with 'pip install -e {tmp_path}'" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_file_that_is_loaded_already_is_not_loaded_twice(call: Call, lazy: str) -> None:
    result = call("--plugin", lazy, "plugin", "check", lazy, plugins="")
    assert "launcher 'lazy'" in result.stdout, result.output


def test_a_name_clash_is_reported_for_the_plugin_and_for_the_component(call: Call, lazy: str) -> None:
    Path(lazy).write_text(LAZY.replace('name = "lazy"', 'name = "local"'))
    for requested in (("plugin", "check", lazy), ("--plugin", lazy, "plugin", "check", "local")):
        result = call(*requested, plugins="launchers")
        assert result.exit_code == 2
        assert "The launcher name 'local' is claimed by freeshot." in result.stderr
        assert "(lazy_launcher.py " in result.stderr
        assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("local", "launcher", "The launcher name 'local' is taken by freeshot."),
        ("toy", "method", "The plugin name 'toy' is taken by freeshot "),
    ],
)
def test_a_name_that_is_taken_is_refused(call: Call, tmp_path: Path, name: str, kind: str, message: str) -> None:
    result = call("plugin", "new", name, "--kind", kind, "--out", str(tmp_path / "new"), plugins="launchers")
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.endswith("Choose another name.\n")
    assert not (tmp_path / "new").exists()


def test_an_option_without_a_value_is_refused(call: Call) -> None:
    assert (
        "Invalid option 'share': expected KEY=VALUE"
        in call("plugin", "check", "local", "-o", "share", plugins="launchers").stderr
    )


def test_a_file_is_a_plugin_for_any_verb(call: Call, lazy: str) -> None:
    assert "lazy_launcher.py" in call("--plugin", lazy, "list", "launchers", plugins="").stdout


def test_a_run_loads_a_plugin_file(call: Call, lazy: str, tmp_path: Path) -> None:
    folders = ("--results", str(tmp_path / "r"), "--cache", str(tmp_path / "c"))
    method = ("--method", "frozen-prototype", "--track", "toy/in-domain/2w1s")
    result = call("run", *method, "--plugin", lazy, "--launcher", "lazy", *folders, plugins="toy,baselines,launchers")
    assert result.exit_code == 0, result.output
    assert list((tmp_path / "r").rglob("*.json"))
