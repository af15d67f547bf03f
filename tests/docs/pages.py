"""Run the commands of a documentation page in an empty folder, and put what they print below them.

A block ```console holds commands after `$ ` and their output; a block ```python with a title is written to the file of
that name, one without is run. Commands of a page run in the order in which they stand there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import cli_fork_server

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<language>console|python)(?P<rest>[^\n]*)\n(?P<body>.*?)^ *```$", re.MULTILINE | re.DOTALL
)
TITLE = re.compile(r'title="([^"]+)"')
ENVIRONMENT = {"COLUMNS": "110", "NO_COLOR": "1", "TERM": "dumb", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Ran:
    """A block as it stands in the page, and as it should."""

    old: str
    new: str
    failed: str = ""
    """What went wrong, if anything."""


def pages() -> list[Path]:
    """List the pages that hold something to run."""
    return [page for page in sorted(DOCS.rglob("*.md")) if BLOCK.search(page.read_text(encoding="utf-8"))]


def run_page(page: Path, folder: Path) -> Iterator[Ran]:
    """Run all blocks of a page in a folder."""
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        body, title = block["body"], TITLE.search(block["rest"])
        if block["language"] == "console":
            yield _console(block, folder)
        elif title is not None:
            (folder / title[1]).parent.mkdir(parents=True, exist_ok=True)
            (folder / title[1]).write_text(_dedented(body, block["indent"]), encoding="utf-8")
        else:
            done = _shell([sys.executable, "-c", _dedented(body, block["indent"])], folder)
            yield Ran(block[0], block[0], "" if done.returncode == 0 else done.stdout)


def _console(block: re.Match[str], folder: Path) -> Ran:
    indent, lines, failed = block["indent"], [], ""
    for line in block["body"].splitlines():
        text = line.removeprefix(indent)
        if not text.startswith("$ "):
            continue
        done = _shell(["bash", "-o", "pipefail", "-c", text.removeprefix("$ ")], folder)
        lines += [text, *done.stdout.rstrip("\n").splitlines()]
        if done.returncode != 0 and not failed:
            failed = f"{text}\n{done.stdout}"
    shown = "".join(f"{indent}{line}".rstrip() + "\n" for line in lines)
    return Ran(block[0], f"{indent}```console{block['rest']}\n{shown}{indent}```", failed)


def _shell(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(
        [str(cli_fork_server.command_folder()), str(Path(sys.executable).parent), os.environ["PATH"]]
    )
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | ENVIRONMENT | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _dedented(body: str, indent: str) -> str:
    return "".join(line.removeprefix(indent) for line in body.splitlines(keepends=True))


def blurred(text: str) -> str:
    """Forget what may differ between two runs: numbers, hashes, and how wide columns are drawn."""
    text = re.sub(r"[0-9a-f]{8}…|\b[0-9a-f]{8,16}\b|\d[\d.,]*", "N", text)
    return re.sub(r"[ ─━═-]+", " ", text)
