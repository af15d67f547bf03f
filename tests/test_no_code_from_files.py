"""No file from a third party can run code: nothing is unpickled, evaluated or unpacked on trust."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOTS = ("benchmark", "plugins", "baselines", "docs/examples")
RUNS_CODE = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "jsonpickle", "marshal", "shelve", "yaml"}
ALLOWED_IMPORTS = {("pickle", "UnpicklingError")}
"""What may be imported of them: a name to catch."""
REVIEWED = {
    "benchmark/freeshot/testing/contract/general.py": {"import pickle"},
    "plugins/makers/pocket_data/fetch_packages.py": {"content.extractall"},
    "plugins/freeshot_vision/weights/fetch.py": {"archive.extractall"},
}
"""Reviewed uses: a component is pickled and unpickled on one line, to show that it can be pickled; packages
of a pinned hash, from which the pocket suite is made or weights are read, are unpacked with tarfile's data filter or
where no member leads out."""
MUST = {"torch.load": ("weights_only", True), "jit.load": ("", None)}
"""Calls and the argument that makes them safe; '' where nothing does."""
MUST_NOT = {"trust_remote_code": True, "allow_pickle": True, "shell": True}
NEVER = {"eval", "exec", "extractall", "read_pickle", "os.system", "hub.load"}


def faults(source: str) -> Iterator[str]:
    """Name what could run third-party code in a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (f"import {a.name}" for a in node.names if a.name.partition(".")[0] in RUNS_CODE)
        elif isinstance(node, ast.ImportFrom):
            root = (node.module or "").partition(".")[0]
            names = {(root, alias.name) for alias in node.names} - ALLOWED_IMPORTS
            yield from (f"from {module} import {name}" for module, name in sorted(names) if module in RUNS_CODE)
            yield from ("from torch import load" for module, name in names if (module, name) == ("torch", "load"))
        elif isinstance(node, ast.Call):
            yield from _faults_of_a_call(node)


def _faults_of_a_call(call: ast.Call) -> Iterator[str]:
    name = ast.unparse(call.func)
    short = ".".join(name.split(".")[-2:])
    if (
        (name if isinstance(call.func, ast.Name) else "") in NEVER
        or short in NEVER
        or f".{short}".endswith((".extractall", ".read_pickle"))
    ):
        yield name
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    for function, (argument, value) in MUST.items():
        if short == function and not _is(given.get(argument), value):
            yield f"{name} without {argument}={value}"
    for argument, value in MUST_NOT.items():
        if argument in given and not _is(given[argument], not value):
            yield f"{name} with {argument}"


def _is(node: ast.expr | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def test_no_module_runs_code_from_a_file(repository: Path) -> None:
    modules = [path for root in ROOTS for path in (repository / root).rglob("*.py")]
    assert len(modules) > 300
    actual = {str(path.relative_to(repository)): list(faults(path.read_text(encoding="utf-8"))) for path in modules}
    assert {name: set(message) for name, message in actual.items() if message} == REVIEWED


def test_no_document_advises_to_trust_remote_code(repository: Path) -> None:
    pages = [repository / "README.md", repository / "CONTRIBUTING.md", *(repository / "docs").rglob("*.md")]
    assert len(pages) > 30
    for page in pages:
        assert "trust_remote_code=True" not in page.read_text(encoding="utf-8"), page


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import dill as d",
        "from pickle import loads",
        "from torch import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=careful)",
        "torch.jit.load(path)",
        "torch.hub.load('a/b', 'c')",
        "np.load(path, allow_pickle=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=asked)",
        "eval(text)",
        "exec(text)",
        "tarfile.open(path).extractall(folder)",
        "subprocess.run(text, shell=True)",
        "os.system(text)",
    ],
)
def test_calls_that_could_run_code_are_reported(source: str) -> None:
    assert list(faults(source))


@pytest.mark.parametrize(
    "source",
    [
        "from pickle import UnpicklingError",
        "torch.load(path, map_location='cpu', weights_only=True)",
        "np.load(path, allow_pickle=False)",
        "model.eval()",
        "loader.exec_module(module)",
        "json.load(file)",
        "subprocess.run(['git', 'status'])",
    ],
)
def test_harmless_calls_are_not_reported(source: str) -> None:
    assert list(faults(source)) == []
