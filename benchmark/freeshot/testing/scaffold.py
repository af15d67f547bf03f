"""Write a new plugin as a complete distribution: project file, one module, one test, a README with next steps."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from freeshot.basics.errors import PluginError
from freeshot.basics.files import write_text
from freeshot.version import __version__

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
VALUES = {"track", "column"}
"""Kinds that are values, not classes."""
TRY = {
    "meta-learner": "freeshot run toy --method lora-recycle -o learner={name}",
    "inversion": "freeshot run toy --method lora-recycle -o inversion={name}",
    "strategy": "freeshot run toy --method lora-recycle -o strategy={name}",
    "method": "freeshot run toy --method {name}",
    "dataset": "freeshot show {name}",
    "backbone": "freeshot show {name}",
    "track": "freeshot run --track '{name}/*' --method frozen-prototype",
    "launcher": "freeshot run toy --method frozen-prototype --launcher {name}",
    "column": "freeshot run toy --method frozen-prototype && freeshot leaderboard --all",
}

PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "freeshot-{name}"
version = "0.1"
description = "A FreeShot plugin: {kind} '{name}'."
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["freeshot>={major}.{minor},<{major}.{next_minor}"]

[project.optional-dependencies]
test = ["pytest"]

[project.entry-points.freeshot]
{name} = "{module}"

[tool.hatch.build.targets.wheel]
only-include = ["{module}.py"]
"""
TEST = """\
from freeshot.testing import check
from {module} import {subject}


def test_it_keeps_the_contract() -> None:
    check({subject})
"""
README = """\
# freeshot-{name}

A plugin for FreeShot: the {kind} `{name}`, in `{module}.py`.

```console
$ pip install -e '.[test]'
$ pytest
$ freeshot plugin check {name}
$ {command}
```
"""


def write_plugin(name: str, kind: str, folder: Path) -> list[Path]:
    """Write the distribution `freeshot-NAME` into a new folder; PluginError if it exists or the name is invalid."""
    if not NAME.fullmatch(name):
        raise PluginError(f"'{name}' is not a valid plugin name. Use lower-case letters, digits and single hyphens.")
    if folder.exists() and any(folder.iterdir()):
        raise PluginError(f"{folder} is not empty. Choose another --out, or delete that folder first.")
    module = f"freeshot_{name.replace('-', '_')}"
    major, minor = map(int, __version__.split(".")[:2])
    subject = constant_name(name) if kind in VALUES else class_name(name)
    pages = {
        "pyproject.toml": PROJECT.format(
            name=name, kind=kind, module=module, major=major, minor=minor, next_minor=minor + 1
        ),
        f"{module}.py": plugin_source(name, kind),
        f"test_{module}.py": TEST.format(module=module, subject=subject),
        "README.md": README.format(name=name, kind=kind, module=module, command=first_command(name, kind)),
    }
    for file, text in pages.items():
        write_text(folder / file, text)
    return [folder / file for file in pages]


def plugin_source(name: str, kind: str) -> str:
    """Return the template of a kind with the new name filled in."""
    template = files("freeshot.testing.templates").joinpath(f"{kind.replace('-', '_')}.py").read_text(encoding="utf-8")
    words = {"Mine": class_name(name), "mine": name, "MINE": constant_name(name)}
    return re.sub(r"\b(Mine|mine|MINE)(?=\b|Images\b)", lambda match: words[match[0]], template)


def first_command(name: str, kind: str) -> str:
    """Return the first command to try."""
    return TRY[kind].format(name=name)


def offered_name(name: str, kind: str) -> str:
    """Return the name of the new component; a track's name has more parts than the plugin's."""
    return f"{name}/toy-waves/2w1s" if kind == "track" else name


def class_name(name: str) -> str:
    """Turn 'my-idea' into MyIdea."""
    return "".join(word.capitalize() for word in name.split("-"))


def constant_name(name: str) -> str:
    """Turn 'my-idea' into MY_IDEA."""
    return name.replace("-", "_").upper()
