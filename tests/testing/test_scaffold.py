"""The output of `freeshot plugin new` is installable, passes its own test and follows the templates."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from freeshot.basics.errors import PluginError
from freeshot.cli.commands.plugin import KINDS
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.files import import_file
from freeshot.plugin.host import load_plugins
from freeshot.testing.scaffold import (
    TRY,
    class_name,
    constant_name,
    first_command,
    offered_name,
    write_plugin,
)
from freeshot.version import __version__


def test_every_kind_has_a_command_to_try() -> None:
    assert set(TRY) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_is_a_complete_distribution(tmp_path: Path, kind: str) -> None:
    files = write_plugin("my-idea", kind, tmp_path / "new")
    assert [file.name for file in files] == [
        "pyproject.toml",
        "freeshot_my_idea.py",
        "test_freeshot_my_idea.py",
        "README.md",
    ]
    project = tomllib.loads(files[0].read_text())
    assert project["project"]["name"] == "freeshot-my-idea"
    assert project["project"]["entry-points"]["freeshot"] == {"my-idea": "freeshot_my_idea"}
    assert project["project"]["dependencies"][0].startswith(f"freeshot>={__version__.rpartition('.')[0]}")
    source = files[1].read_text()
    assert "Mine" not in source
    assert '"mine' not in source
    compile(files[2].read_text(), files[2].name, "exec")
    assert first_command("my-idea", kind) in files[3].read_text()
    host = load_plugins()
    host.load_file(files[1])
    assert "freeshot_my_idea" in {info.name for info in host.loaded}
    assert Catalogue(host).holders(kind, offered_name("my-idea", kind))
    module = import_file(files[1])
    assert hasattr(module, "MyIdea") or hasattr(module, "MY_IDEA")


def test_names_become_classes_and_constants() -> None:
    assert class_name("my-2nd-idea") == "My2ndIdea"
    assert constant_name("my-2nd-idea") == "MY_2ND_IDEA"


@pytest.mark.parametrize("name", ["", "My", "a_b", "-a", "a--b", "1a", "a b"])
def test_an_invalid_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PluginError, match="Use lower-case letters, digits and single hyphens"):
        write_plugin(name, "method", tmp_path / "new")
    assert not list(tmp_path.iterdir())


def test_a_folder_with_files_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(PluginError, match="is not empty"):
        write_plugin("idea", "method", tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["kept"]


def test_a_new_plugin_installs_and_passes_at_once(tmp_path: Path) -> None:
    """Install it with pip, and run its own test and its first command."""
    write_plugin("my-idea", "strategy", tmp_path / "new")
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--target", str(site), str(tmp_path / "new")], check=True)
    environment = os.environ | {"PYTHONPATH": str(site), "COLUMNS": "200", "NO_COLOR": "1"}

    def run(*command: str) -> str:
        whole = [sys.executable, "-m", *command]
        folder = tmp_path / "new"
        done = subprocess.run(whole, env=environment, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "1 passed" in run("pytest", "-q", "-p", "no:cacheprovider")
    words = first_command("my-idea", "strategy").split()[1:]
    assert "my-idea" in run("freeshot", *words, "--results", str(tmp_path / "r"), "--cache", str(tmp_path / "c"))
    assert "✓ selects a subset of the patches" in run("freeshot", "plugin", "check", "my-idea")
