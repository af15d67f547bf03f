"""Thousands of invalid files for every reader: each is read or refused with an error, soon, in little memory."""

from __future__ import annotations

import os
import random
import resource
import signal
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.performance.measure import Table
from tests.soak.mutations import mutated
from tests.soak.reader import EXPECTED_ERRORS, Reader
from tests.soak.readers import readers

COUNT = 10_000
HANG = 10
"""Seconds after which a reader hangs."""
MEMORY = 2**30
"""Bytes of memory that reading a file may add."""
RAM = Path("/dev/shm")  # noqa: S108 - a folder of its own is made there
"""A folder in memory, for speed."""
WRITES = os.O_WRONLY | os.O_RDWR


def bench(count: int = COUNT) -> Table:
    """Mutate each reader's file this many times."""
    rows = []
    with tempfile.TemporaryDirectory(dir=RAM if RAM.is_dir() else None) as name:
        folder = Path(name).resolve()
        for reader in readers(folder):
            counts = fuzzed(reader, folder, count)
            rows.append((reader.name, str(count), str(counts["read"]), str(counts["refused"]), _faults(counts)))
            print(*rows[-1], sep=" | ", flush=True)
    note = (
        "Each file is cut, flipped, repeated and filled with surprises at random (fixed seed); folders and "
        "archives also get entries that are links, pipes, enormous, oddly named or lead out of them. A fault is "
        f"anything but reading it or one sentence: another exception, {HANG} s, {MEMORY / 2**30:.0f} GiB more "
        "memory, or a change of a file outside of where the reader may write. What is our own (caches, states, "
        "notes) counts as read when what is not whole is passed over, and a fault if it is believed."
    )
    return Table("Wrong files", note, ("reader", "files", "read", "refused", "faults"), tuple(rows))


def fuzzed(reader: Reader, folder: Path, count: int, seed: int = 0) -> Counter[str]:
    """Count the outcomes of reading mutated files: 'read', 'refused', and faults by name."""
    rng = random.Random(f"{seed} {reader.name}")
    damage, restore = damaging(reader)
    received: Counter[str] = Counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(count):
            damage(rng)
            reader.before()
            held = reset_peak()
            with _watched(reader.within or folder) as written:
                received[_outcome(reader)] += 1
            if written:
                received[f"wrote {written[0]}"] += 1
            if peak() - held > MEMORY:
                received["memory"] += 1
    restore()
    reader.before()
    return received


def damaging(reader: Reader) -> tuple[Callable[[random.Random], None], Callable[[], None]]:
    """Return the functions that damage and that restore a reader's input."""
    if reader.damage is not None:
        return reader.damage, lambda: None
    good = reader.file.read_bytes()
    return lambda rng: void(reader.file.write_bytes(mutated(good, rng))), lambda: void(reader.file.write_bytes(good))


def void(_: object) -> None:
    """Discard a result."""


def _outcome(reader: Reader) -> str:
    try:
        with _within(HANG):
            reader.read()
    except EXPECTED_ERRORS as error:
        return "refused" if str(error).strip() and "\n" not in str(error) else "not one sentence"
    except BaseException as error:  # noqa: BLE001 - any other exception of a reader is a fault
        return f"{type(error).__name__}: {str(error)[:60]}"
    return "read"


def _faults(counts: Counter[str]) -> str:
    actual = {name: number for name, number in counts.items() if name not in ("read", "refused")}
    return ", ".join(f"{number} × {name}" for name, number in actual.items()) or "0"


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


CHANGES: Mapping[str, Sequence[tuple[int, int | None]]] = {
    "os.remove": [(0, 1)],
    "os.rmdir": [(0, 1)],
    "os.mkdir": [(0, 2)],
    "os.rename": [(0, 2), (1, 3)],
    "os.link": [(1, 3)],
    "os.symlink": [(1, 2)],
    "os.truncate": [(0, None)],
    "os.chmod": [(0, 2)],
}
"""Events, and which of their arguments are paths, each with the open folder that it is relative to, or -1."""


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if not _WATCH:
        return
    if event == "open":
        changes: Sequence[tuple[int, int | None]] = (
            [(0, None)] if isinstance(arguments[2], int) and arguments[2] & WRITES else []
        )
    else:
        changes = CHANGES.get(event, [])
    folder, written = _WATCH[-1]
    for index, base in changes:
        path, within = arguments[index], -1 if base is None else arguments[base]
        if not isinstance(path, (str, bytes, Path)):
            continue
        whole = Path(os.fsdecode(path))
        if within != -1:
            whole = Path(f"/proc/self/fd/{within}").readlink() / whole
        plain = Path(os.path.normpath(whole.absolute()))
        if folder not in (plain, *plain.parents) and str(whole) != os.devnull:
            written.append(str(whole))


sys.addaudithook(_audit)


def reset_peak() -> int:
    """Reset this process's peak of memory, and return the memory that it holds, in bytes."""
    with suppress(OSError):  # only on Linux; elsewhere the peak is the lifetime's
        Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> int:
    """Return the peak of this process's memory, in bytes."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
