"""A small grid with every kind of work: a pool is built, then three methods run; and its records and pool."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeshot.records.models import RunRecord

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, ForkServerProcess

WATCHED = Path(__file__).with_name("watched.py")
POOL = (
    *("pool", "build", "soak", "--source", "icons", "--count", "3", "--steps", "8", "--batch", "8"),
    *("--backbone", "pocket-vit", "--at-once", "2"),
)
"""Three LoRAs, which are tuned in two blocks."""
LIBRARIES = (
    "freeshot.cli",
    "freeshot.launch.runner",
    "freeshot.pool.build",
    "freeshot.render",
    "freeshot.cli.progress",
)
"""Imported once, before processes are forked: nothing is lost while a process imports them."""
NOT_COMPARED = ("seconds", "peak_bytes", "joules", "cached")
"""Fields of stages that may differ between two runs of a cell, as may the time it was finished."""


@cache
def forking() -> ForkServerContext:
    """Return the context that starts processes with the libraries already imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*LIBRARIES])
    return context


@dataclass(frozen=True)
class Running:
    """A running command."""

    process: ForkServerProcess
    file: Path
    """The file of its output."""

    @property
    def printed(self) -> str:
        """Its output so far."""
        return self.file.read_text(encoding="utf-8").strip() if self.file.exists() else ""

    @property
    def code(self) -> int:
        """Its exit code."""
        assert self.process.exitcode is not None
        return self.process.exitcode

    def wait(self, seconds: float) -> bool:
        """Wait for it; return whether it has ended."""
        self.process.join(max(seconds, 0.0))
        return self.process.exitcode is not None

    def kill(self, target: str = "all") -> bool:
        """Kill it: all of its processes, the process that was started, or a worker of that process.

        Return whether there was such a process: workers start late, and end early.
        """
        assert self.process.pid is not None
        if target == "all":
            os.killpg(self.process.pid, signal.SIGKILL)
        elif target == "first":
            self.process.kill()
        else:
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            for child in map(int, children):
                if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                    os.kill(child, signal.SIGKILL)
                    return True
            return False
        return True


def _freeshot(arguments: tuple[str, ...], folder: Path, file: Path, variables: dict[str, str]) -> None:
    """Run the command `freeshot` in a forked process."""
    os.setsid()
    os.chdir(folder)
    os.environ.update(variables | {"OMP_NUM_THREADS": "1"})
    output = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    from freeshot.cli import main

    main(arguments, prog_name="freeshot")


@dataclass(frozen=True)
class GridFolder:
    """A folder in which the grid is run repeatedly."""

    folder: Path
    workers: int = 1
    death: int = 0
    """Number of the file operation at which each process ends itself; 0: never."""

    @property
    def commands(self) -> dict[str, tuple[str, ...]]:
        """The commands in their order; each continues where it was interrupted."""
        files = ("--results", "results", "--cache", "cache", "-l", f"workers={self.workers}")
        return {"pool": (*POOL, "--out", str(self.folder / "pool")), "run": ("run", "soak", *files)}

    @property
    def diary(self) -> Path:
        """The folder in which processes record their stages."""
        return self.folder.with_name(f"{self.folder.name}-diary")

    def start(self, command: str) -> Running:
        """Start a command in a process group of its own, with an empty log."""
        for path in (self.folder, self.diary):
            path.mkdir(parents=True, exist_ok=True)
        for old in self.diary.iterdir():
            old.unlink()
        return self.another(command)

    def another(self, command: str) -> Running:
        """Start a command beside a running command."""
        variables = {
            "SOAK_DIARY": str(self.diary),
            "SOAK_POOL": str(self.folder / "pool"),
            "SOAK_DEATH": str(self.death),
        }
        file = self.diary / f"output-{time.monotonic_ns()}.txt"
        arguments = ("--plugin", str(WATCHED), *self.commands[command])
        process = forking().Process(target=_freeshot, args=(arguments, self.folder, file, variables))
        process.start()
        return Running(process, file)

    def finish(self, command: str) -> tuple[int, str]:
        """Run a command to its end; return its exit code and its output."""
        running = self.start(command)
        running.wait(3600)
        return running.code, running.printed

    def stages(self) -> list[dict[str, Any]]:
        """Return the stages recorded so far, in the order of time."""
        lines = [line for file in self.diary.glob("*.jsonl") for line in file.read_text().splitlines()]
        return sorted(map(json.loads, lines), key=lambda line: float(line["at"]))

    def results(self) -> dict[str, Any]:
        """Return all records and the pool's card, without times; raises where one is half-written."""
        actual: dict[str, Any] = {}
        for path in sorted((self.folder / "results").rglob("[!.]*.json")):
            RunRecord.read(path)
            actual[path.name] = _timeless(json.loads(path.read_text(encoding="utf-8")))
        card = self.folder / "pool" / "pool.json"
        if card.exists():
            actual[card.name] = json.loads(card.read_text(encoding="utf-8"))
        return actual


def _timeless(record: dict[str, Any]) -> dict[str, Any]:
    record["provenance"].pop("finished")
    record["stages"] = [{k: v for k, v in stage.items() if k not in NOT_COMPARED} for stage in record["stages"]]
    return record
