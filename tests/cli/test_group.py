"""Behaviour of the command line that all verbs share."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.leaderboard.conftest import make_record

import freeshot

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Call
    from tests.conftest import Install

BROKEN = "import no_such_module"
BROKEN_LINE = (
    "Plugin 'broken' (freeshot-broken 1.0): Loading it raised ModuleNotFoundError: No module named "
    "'no_such_module' (fake_broken.py, line 5). "
    "Correct or uninstall the plugin, or leave it out with --no-plugin.\n"
)


def command(name: str, body: str = "print('hello from outside')") -> str:
    return f"""
@hookimpl
def freeshot_commands(cli):
    @cli.command("{name}")
    def greeting():
        '''Greet from outside.'''
        {body}
"""


def test_every_verb_is_in_the_help(call: Call) -> None:
    done = call("--help", plugins="")
    assert done.exit_code == 0
    for verb in ("run", "leaderboard", "list", "show", "plugin", "pool"):
        assert f" {verb} " in done.stdout


@pytest.mark.parametrize("verb", ["run", "leaderboard", "list", "show", "plugin list", "pool", "pool build"])
def test_every_verb_has_help(call: Call, verb: str) -> None:
    done = call(*verb.split(), "--help", plugins="")
    assert done.exit_code == 0, done.output
    assert "Usage" in done.stdout


def test_the_version_is_printed(call: Call) -> None:
    assert call("--version").stdout == call("-V").stdout == f"freeshot {freeshot.__version__}\n"


def test_for_a_mistyped_verb_the_nearest_is_suggested(call: Call) -> None:
    done = call("lst", plugins="")
    assert done.exit_code == 2
    assert done.stderr == "Error: No command is called 'lst'. Did you mean 'list'?\n"


def test_a_users_mistake_is_one_line_without_traceback(call: Call) -> None:
    done = call("show", "nothing", plugins="")
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: No component, track, suite or pool is called 'nothing'.")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.output


def test_help_with_a_missing_plugin_is_one_line(call: Call) -> None:
    done = call("--plugin", "gone.py", "--help")
    assert done.exit_code == 2
    assert done.stderr == "Error: gone.py cannot be read (No such file or directory). Use an existing file.\n"


def test_a_broken_plugin_is_one_line_on_stderr(call: Call, install: Install) -> None:
    install("broken", BROKEN)
    done = call("list", "methods", plugins="broken")
    assert done.exit_code == 0
    assert done.stderr == BROKEN_LINE
    assert "broken" not in done.stdout


def test_help_does_not_report_broken_plugins(call: Call, install: Install) -> None:
    install("broken", BROKEN)
    done = call("--help", plugins="broken")
    assert done.exit_code == 0
    assert not done.stderr


def test_a_plugin_can_be_excluded(call: Call, install: Install) -> None:
    install("broken", BROKEN)
    install("fake", command("greet"))
    done = call("--no-plugin", "broken", "list", "methods", plugins="fake,broken")
    assert not done.stderr


@pytest.mark.parametrize("verb", [("list", "methods"), ("compare", "a", "b"), ("greet",)])
def test_a_plugin_that_is_not_installed_cannot_be_excluded(call: Call, install: Install, verb: tuple[str, ...]) -> None:
    install("fake", command("greet"))
    done = call("--no-plugin", "fakee", *verb)
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: No plugin is called 'fakee'. Did you mean 'fake'?")
    assert done.stderr.count("\n") == 1
    assert "hello" not in done.stdout


def test_a_plugins_command_is_listed_and_runs(call: Call, install: Install) -> None:
    install("fake", command("greet"))
    assert "Greet from outside." in call("--help").stdout
    assert call("greet").stdout == "hello from outside\n"


def test_an_excluded_plugins_command_is_not_in_the_help(call: Call, install: Install) -> None:
    install("fake", command("greet"))
    assert "greet" not in call("--no-plugin", "fake", "--help").stdout


def test_a_plugin_whose_commands_break_does_not_hide_those_of_others(call: Call, install: Install) -> None:
    install("fake", command("greet"))
    install("angry", "@hookimpl\ndef freeshot_commands(cli): raise OSError('no tty')")
    done = call("greet", plugins="fake,angry")
    assert done.stdout == "hello from outside\n"
    assert "freeshot_commands raised OSError: no tty" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_plugin_cannot_replace_one_of_our_verbs(call: Call, install: Install) -> None:
    install("fake", command("list"))
    assert "hello from outside" not in call("list").stdout
    assert "has the name of a built-in command" in call("plugin", "list").stdout


def test_a_command_name_that_two_plugins_define_is_an_error(call: Call, install: Install) -> None:
    install("fake", command("greet"))
    install("twin", command("greet"))
    done = call("greet", plugins="fake,twin")
    assert done.exit_code == 2
    assert "is defined by several plugins (freeshot-fake 1.0 and freeshot-twin 1.0)" in done.stderr


def test_an_interruption_reports_that_finished_work_is_kept(call: Call, install: Install) -> None:
    install("fake", command("greet", "raise KeyboardInterrupt"))
    done = call("greet")
    assert done.exit_code == 130
    assert done.stderr == "Interrupted. Finished work is kept; rerun the command to continue.\n"


def test_a_closed_pipe_is_not_reported() -> None:
    """As in `freeshot list | head -0`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "freeshot", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr:
        assert "BrokenPipe" not in process.stderr.read()
    assert process.wait() == 1


@pytest.mark.parametrize(
    "arguments", [["--help"], ["list"], ["leaderboard", "--help"], ["run", "--help"], ["pool", "list"]]
)
def test_light_verbs_import_nothing_heavy(arguments: list[str]) -> None:
    code = f"""
import sys
from click.testing import CliRunner
from freeshot.cli import main
done = CliRunner().invoke(main, {arguments!r})
assert done.exit_code == 0, done.output
print(*{{"torch", "timm", "peft", "scipy.stats", "transformers", "pydantic"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not done.stdout.strip()


def test_a_ranking_does_not_import_torch(tmp_path: Path) -> None:
    make_record().write(tmp_path / "record.json")
    code = f"""
import sys
from click.testing import CliRunner
from freeshot.cli import main
done = CliRunner().invoke(main, ["leaderboard", {str(tmp_path)!r}])
assert done.exit_code == 0, done.output
print(*{{"torch", "timm", "peft", "transformers"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not done.stdout.strip()
