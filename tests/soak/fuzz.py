"""Thousands of wrong files for every reader: each is answered with a sentence or read, soon, in little memory."""

from __future__ import annotations

import os
import random
import resource
import signal
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.performance.measure import Table
from tests.soak.mutations import mutated
from tests.soak.readers import ANSWERS, Reader, readers

COUNT = 10_000
HANG = 10
"""Seconds after which a reader hangs."""
MEMORY = 2**30
"""Bytes that a file may cost beyond what was held before."""
WRITES = os.O_WRONLY | os.O_RDWR


def bench(count: int = COUNT) -> Table:
    """Mutate each reader's file so many times."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        for reader in readers(folder):
            told = fuzzed(reader, folder, count)
            rows.append((reader.name, str(count), str(told["read"]), str(told["refused"]), _faults(told)))
            print(*rows[-1], sep=" | ", flush=True)
    note = (
        "Each file is cut, flipped, repeated and filled with surprises at random (fixed seed). A fault is anything "
        f"but reading it or one sentence: another exception, {HANG} s, {MEMORY / 2**30:.0f} GiB more memory, a file "
        "that is written outside of the folder."
    )
    return Table("Wrong files", note, ("reader", "files", "read", "refused", "faults"), tuple(rows))


def fuzzed(reader: Reader, folder: Path, count: int, seed: int = 0) -> Counter[str]:
    """Count what a reader made of its mutated file: 'read', 'refused', and faults by name."""
    good, rng = reader.file.read_bytes(), random.Random(f"{seed} {reader.name}")
    told: Counter[str] = Counter()
    held = _held()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(count):
            reader.file.write_bytes(mutated(good, rng))
            reader.before()
            with _watched(folder) as written:
                told[_answer(reader)] += 1
            if written:
                told[f"wrote {written[0]}"] += 1
    reader.file.write_bytes(good)
    reader.before()
    if _held() - held > MEMORY:
        told["memory"] += 1
    return told


def _answer(reader: Reader) -> str:
    try:
        with _within(HANG):
            reader.read()
    except ANSWERS as error:
        return "refused" if str(error).strip() and "\n" not in str(error) else "not one sentence"
    except BaseException as error:  # noqa: BLE001 - whatever a reader raises is what we look for
        return f"{type(error).__name__}: {str(error)[:60]}"
    return "read"


def _faults(told: Counter[str]) -> str:
    found = {name: number for name, number in told.items() if name not in ("read", "refused")}
    return ", ".join(f"{number} × {name}" for name, number in found.items()) or "0"


@contextmanager
def _within(seconds: int) -> Iterator[None]:
    def over(*_: Any) -> None:
        raise TimeoutError("it hangs")

    previous = signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


_WATCH: list[tuple[Path, list[str]]] = []


@contextmanager
def _watched(folder: Path) -> Iterator[list[str]]:
    """List the files outside of a folder that are opened for writing, made or removed inside of the block."""
    written: list[str] = []
    _WATCH.append((folder, written))
    try:
        yield written
    finally:
        _WATCH.pop()


CHANGES = {"os.remove": 1, "os.mkdir": 2, "os.rename": 2, "os.symlink": 2}
"""Events, and which of their arguments is the open folder that a path is relative to, or -1."""


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if not _WATCH or (event != "open" and event not in CHANGES):
        return
    if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & WRITES):
        return
    folder, written = _WATCH[-1]
    path = arguments[0]
    within = arguments[CHANGES[event]] if event in CHANGES else -1
    if within != -1:
        path = Path(f"/proc/self/fd/{within}").readlink() / path
    if isinstance(path, (str, bytes, Path)) and folder not in Path(os.fsdecode(path)).absolute().parents:
        written.append(os.fsdecode(path))


sys.addaudithook(_audit)


def _held() -> int:
    """Return the peak of this process's memory so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
