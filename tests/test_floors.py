"""Imports go down only, and modules that must be light to import are."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = ("freeshot", "freeshot_lora_recycle", "freeshot_lda", "freeshot_vision", "freeshot_baselines")
HEAVY = {"torch", "timm", "peft", "scipy.stats", "transformers", "matplotlib"}

# the ground floor's two modules that compute with tensors
TENSORS = {"freeshot.ops.prototypes", "freeshot.ops.tokens"}

IMPORT_ALL = f"""
import importlib, json, pkgutil, sys
package = importlib.import_module(sys.argv[1])
assert package.__file__, "an empty folder proves nothing"
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if module.name not in {TENSORS!r}:
        importlib.import_module(module.name)
print(json.dumps(sorted(sys.modules)))
"""
IMPORT_ONE = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
print(json.dumps(sorted(sys.modules)))
"""


def loaded(program: str, package: str) -> set[str]:
    """Return the modules that a fresh interpreter holds after the program."""
    command = [sys.executable, "-c", program, package]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_imports_go_down_only(repository: Path) -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout, done.stdout


@pytest.mark.parametrize("package", ["basics", "contracts", "plugin", "leaderboard", "render", "cli"])
def test_a_light_package_is_light_in_every_module(package: str) -> None:
    assert not loaded(IMPORT_ALL, f"freeshot.{package}") & HEAVY


def test_listing_weights_imports_nothing_heavy() -> None:
    assert not loaded(IMPORT_ALL, "freeshot_vision.weights") & HEAVY


def test_the_python_api_is_imported_on_first_use() -> None:
    modules = loaded(IMPORT_ONE, "freeshot")
    assert not modules & {"pydantic", "pandas", "numpy", "rich", "freeshot.api"}
    assert not loaded(IMPORT_ONE, "freeshot.api") & {*HEAVY, "pydantic", "pandas", "freeshot.cli"}


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_imports_nothing_heavy(package: str) -> None:
    assert not loaded(IMPORT_ONE, package) & HEAVY
