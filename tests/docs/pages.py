"""Run the commands of a documentation page in an empty folder, and write their output below them.

A block ```console holds commands after `$ ` and their output; a block ```python with a title is written to the file of
that name, one without is run. Commands of a page run in the order of the page; a command that ends with a
backslash continues on the next line. Instructions for the tests are comments before a block, which are invisible on
the site; each is about all commands of the block or, with a number, about one:

    <!-- docs: first 5 -->               show the first lines of the output, and `…` for the others
    <!-- docs: 2: first 2, last 1 -->    the same for the second command, with lines of the end
    <!-- docs: match ran:|Records: -->   show the lines that match
    <!-- docs: after ^$ -->              show the lines after the first that matches
    <!-- docs: 1: fails -->              the command ends with an error
    <!-- docs: before COMMAND -->        run a command first; $DOCS is the folder of the pages
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests import cli_fork_server

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(
    r"(?P<notes>(?:^ *<!-- docs: [^\n]* -->\n+)*)"
    r"^(?P<indent> *)```(?P<language>console|python)(?P<rest>[^\n]*)\n(?P<body>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
NOTE = re.compile(r"<!-- docs: (?:(?P<command>\d+): )?(?P<text>.*) -->")
TITLE = re.compile(r'title="([^"]+)"')
LEFT_OUT = "…"
ENVIRONMENT = {"DOCS": str(DOCS), "COLUMNS": "110", "NO_COLOR": "1", "TERM": "dumb", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Ran:
    """A block as it is in the page, and as it should be."""

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
    for command in notes(block["notes"], "before "):
        failed = failed or _failure(command, _bash(command, folder), fails=False)
    for number, command in enumerate(commands(_dedented(block["body"], indent)), 1):
        done = _bash(command, folder)
        shown = notes(block["notes"], "first ", "last ", "match ", "after ", number=number, whole=True)
        lines += [*f"$ {command}".splitlines(), *shorten(done.stdout.rstrip("\n").splitlines(), shown)]
        fails = "fails" in notes(block["notes"], "fails", number=number, whole=True)
        failed = failed or _failure(command, done, fails=fails)
    text = "".join(f"{indent}{line}".rstrip() + "\n" for line in lines)
    return Ran(block[0], f"{block['notes']}{indent}```console{block['rest']}\n{text}{indent}```", failed)


def notes(text: str, *starts: str, number: int = 0, whole: bool = False) -> list[str]:
    """List the comments of a block with one of these beginnings, about all commands or the numbered one."""
    about = [note for note in NOTE.finditer(text) if note["command"] in {None, str(number)}]
    own = [note["text"] for note in about if note["text"].startswith(starts)]
    return own if whole else [note.removeprefix(start) for note in own for start in starts]


def commands(body: str) -> list[str]:
    """List the commands of a block; one whose line ends with a backslash continues on the next."""
    return re.findall(r"^\$ ((?:.*\\\n)*.*)$", body, re.MULTILINE)


def shorten(lines: Sequence[str], shown: Sequence[str]) -> list[str]:
    """Replace each run of lines that is not shown by `…`; without a note all lines are shown."""
    rules = [_rule(part, lines) for note in shown for part in _parts(note)]
    if not rules:
        return [*lines]
    short: list[str] = []
    for index, line in enumerate(lines):
        if any(rule(index, line) for rule in rules):
            short.append(line)
        elif short[-1:] != [LEFT_OUT]:
            short.append(LEFT_OUT)
    return short


def _parts(note: str) -> list[str]:
    return [note] if note.startswith(("match ", "after ")) else note.split(", ")


def _rule(part: str, lines: Sequence[str]) -> Callable[[int, str], bool]:
    """Return the function of a line and its index that decides whether it is shown."""
    kind, _, value = part.partition(" ")
    match kind:
        case "first":
            return lambda index, _: index < int(value)
        case "last":
            return lambda index, _: index >= len(lines) - int(value)
        case "match":
            return lambda _, line: re.search(value, line) is not None
        case "after":
            start = next((index for index, line in enumerate(lines) if re.search(value, line)), len(lines))
            return lambda index, _: index > start
        case _:
            raise ValueError(f"'{part}' selects no lines. Write first N, last N, match REGEX or after REGEX.")


def _failure(command: str, done: subprocess.CompletedProcess[str], *, fails: bool) -> str:
    """Describe an unexpected end of a command; '' if it ended as expected."""
    return "" if fails == (done.returncode != 0) else f"{command}\nexit code {done.returncode}\n{done.stdout}"


def _bash(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return _shell(["bash", "-o", "pipefail", "-c", command], folder)


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
    """Replace what may differ between two runs: numbers, hashes, and the widths of columns."""
    text = re.sub(r"[0-9a-f]{8}…|\b[0-9a-f]{8,16}\b|\d[\d.,]*", "N", text)
    return re.sub(r"[ ─━═-]+", " ", text)
