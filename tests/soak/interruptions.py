"""Runs that are killed, that meet a full disk, or that meet each other: in the end their records are the same."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.performance.measure import Table
from tests.soak.grid import COMMANDS, finish, left, start

if TYPE_CHECKING:
    from collections.abc import Iterator

KILLS = 36
"""Spread over the commands of the grid."""
DISKS = (1, 2, 4)
"""Megabytes of a disk that is too small for the grid's cache."""


def bench(kills: int = KILLS) -> Table:
    """Interrupt every command of the grid in every way."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for number, arguments in enumerate(COMMANDS):
            peace = Path(name) / f"peace-{number}"
            begun = time.monotonic()
            said = finish(arguments, peace)
            assert not said, said
            lasting, expected = time.monotonic() - begun, left(peace)
            method = arguments[arguments.index("--method") + 1]
            share = kills // len(COMMANDS)
            for what, happened in (
                (f"{share} × kill −9", killed(arguments, Path(name) / f"killed-{number}", share, lasting, expected)),
                ("two at once", twice(arguments, Path(name) / f"twice-{number}", expected)),
                (f"disks of {DISKS} MB fill", filled(arguments, Path(name) / f"disk-{number}", expected)),
            ):
                rows.append((method, what, happened))
                print(*rows[-1], sep=" | ", flush=True)
    note = (
        "A grid of the pocket suite's validation episodes, each command interrupted and given again until it is "
        "through. Equal: all records are those of an undisturbed run in every field but times, peak memory and whether "
        "a stage came from the cache; after each interruption every record that is there can be read."
    )
    return Table("Interruptions", note, ("method", "what happened", "records in the end"), tuple(rows))


def killed(arguments: tuple[str, ...], folder: Path, kills: int, lasting: float, expected: object) -> str:
    """Kill a command at random moments, and give it again each time; once through, begin afresh until all are done."""
    rng = random.Random(str(arguments))
    done = through = 0
    while done < kills:
        process = start(arguments, folder)
        try:
            process.wait(timeout=rng.uniform(0.2, 1.0) * lasting)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            done += 1
        process.communicate()
        left(folder)  # whatever is there is whole
        if process.returncode == 0:
            through += 1
            if left(folder) != expected:
                return f"differ after {done} kills"
            shutil.rmtree(folder)
    said = finish(arguments, folder)
    return "equal" if not said and left(folder) == expected else f"differ {said}"


def twice(arguments: tuple[str, ...], folder: Path, expected: object) -> str:
    """Give a command twice at the same time, in the same folders."""
    both = [start(arguments, folder) for _ in range(2)]
    for process in both:
        process.communicate(timeout=3600)
    codes = [process.returncode for process in both]
    return "equal" if codes == [0, 0] and left(folder) == expected else f"differ, exit codes {codes}"


def filled(arguments: tuple[str, ...], folder: Path, expected: object) -> str:
    """Give a command a disk that fills, then enough room."""
    for size in DISKS:
        with disk(folder / "small", size) as small:
            if small is None:
                return "not tried: no file system can be mounted here"
            said = finish(arguments, folder, small)
            if "Traceback" in said or (said and "cannot be written" not in said and "failed" not in said):
                return f"at {size} MB it said: {said.splitlines()[-1]}"
        left(folder)
    said = finish(arguments, folder, folder / "cache")
    return "equal" if not said and left(folder) == expected else f"differ {said}"


@contextmanager
def disk(place: Path, megabytes: int) -> Iterator[Path | None]:
    """Mount a small file system; None where that is not allowed."""
    place.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)
