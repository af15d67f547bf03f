"""A grid that is killed anywhere, that meets a full disk, or that meets itself: in the end its records are the same.

Commands run in processes forked from one that has the libraries already, or killing would mostly hit imports.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.performance.measure import Table
from tests.soak.grid import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.soak.grid import Running

KILLS, BY_OPERATION, WITH_WORKERS = 42, 30, 12
A_LIFE = 6
"""Kills until the grid is let through to its end, compared, and begun afresh."""
DISKS = (0.005, 0.01, 0.02, 0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 4)
"""Sizes of a disk as it grows, as shares of what the grid leaves."""
STARTING = "starting"


@dataclass
class Report:
    """What came of one sort of interruption."""

    what: str
    times: int = 0
    where: Counter[str] = field(default_factory=Counter)
    """Stage → how often it was interrupted."""
    ends: int = 0
    """How often the grid came to its end, and was compared."""
    faults: list[str] = field(default_factory=list)

    def row(self) -> tuple[str, ...]:
        """Say it as a row of the table."""
        where = ", ".join(f"{stage} {count}" for stage, count in sorted(self.where.items()))
        ends = f"{self.ends} of {self.ends} equal" if not self.faults else "; ".join(dict.fromkeys(self.faults))
        return self.what, str(self.times), where, ends


@dataclass(frozen=True)
class Peace:
    """How the grid goes when it is left in peace."""

    left: dict[str, Any]
    moments: tuple[tuple[str, str, str, float], ...]
    """Command, cell, stage and its seconds, in turn."""
    operations: dict[str, int]
    """File operations of each command."""
    bytes: int
    """What lies in its folder in the end."""


def bench(kills: int = KILLS, by_operation: int = BY_OPERATION, with_workers: int = WITH_WORKERS) -> Table:
    """Interrupt the grid in every way."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name).resolve()
        peace = in_peace(Place(home / "peace"))
        rows = []
        ways: tuple[Callable[[], Any], ...] = (
            lambda: killed(Place(home / "killed"), kills, peace),
            lambda: killed_by_operation(Place(home / "operation"), by_operation, peace),
            lambda: killed(Place(home / "workers", workers=2), with_workers, peace),
            lambda: twice(Place(home / "twice"), peace),
            lambda: filled(Place(home / "disk"), peace),
        )
        for interrupt in ways:
            rows.append(interrupt().row())
            print(*rows[-1], sep=" | ", flush=True)
    note = (
        "A pool of three LoRAs is built, and LoRA Recycle, FREE and full fine-tuning run on it: first "
        "undisturbed, then interrupted, and each time the same command is given again until all is done. Moments "
        "are random: a stage is drawn, then a moment of it; file operations (open for writing, rename, remove, "
        "make a folder) are drawn by number. States are kept ten times a second. Equal: the pool's card with the "
        "hashes of all its files, and every field of every record, but for times, peak memory, energy, whether a "
        "stage came from the cache, and when the record was finished. After each interruption every record that "
        "is there is read; a file of the cache, of a state or of a record that is not whole when it is read would "
        "be report here."
    )
    heads = ("what happened", "times", "where", "in the end")
    return Table("Interruptions", note, heads, tuple(rows))


def in_peace(place: Place) -> Peace:
    """Run the grid undisturbed; count what it writes, and when."""
    moments, operations = [], {}
    for command in place.commands:
        begun = time.time()
        code, printed = place.finish(command)
        assert code == 0, printed
        lines = [{"at": begun, "cell": "", "stage": STARTING}, *place.noted()]
        ends = [float(line["at"]) for line in lines[1:]] + [time.time()]
        for line, end in zip(lines, ends, strict=True):
            moments.append((command, str(line["cell"]), str(line["stage"]), end - float(line["at"])))
        operations[command] = sum(1 for _ in (place.diary / "operations").read_text())
    size = sum(path.stat().st_size for path in place.folder.rglob("*") if path.is_file())
    return Peace(place.left(), tuple(moments), operations, size)


def killed(place: Place, kills: int, peace: Peace) -> Report:
    """Kill the grid at random moments of random stages; now and then let it through, compare, and begin afresh."""
    rng = random.Random(f"{place.workers} {kills}")
    report = Report("kill −9" if place.workers == 1 else f"kill −9 with {place.workers} workers")
    sorts = ("all",) if place.workers == 1 else ("all", "first", "worker")
    number = 0
    while report.times < kills:
        drawn = sorted(rng.sample(range(len(peace.moments)), min(A_LIFE, kills - report.times)))
        targets = [peace.moments[moment] for moment in drawn]
        for command in place.commands:
            for target in [target for target in targets if target[0] == command]:
                running = place.start(command)
                sort = sorts[number % len(sorts)]
                number += 1
                if not _reached(place, running, target, rng):
                    break  # it went by faster than before
                stage = _stage(place)
                if running.kill(sort):
                    report.where[stage] += 1
                    report.times += 1
                running.wait(600)
                _look(place, report)
            _through(place, command, report)
        _compare(place, report, peace)
        shutil.rmtree(place.folder)
    return report


def killed_by_operation(place: Place, kills: int, peace: Peace) -> Report:
    """Kill the grid just before an operation on a file, drawn by number, as above."""
    rng = random.Random(kills)
    report = Report("kill −9 before an operation on a file")
    while report.times < kills:
        for command, count in peace.operations.items():
            for _ in range(2 if command == "pool" else A_LIFE):
                dying = replace(place, death=rng.randint(1, count))
                code, printed = dying.finish(command)
                if code == 0:
                    break
                report.times += code == -9
                if code != -9:
                    report.faults.append(printed[-200:])
                report.where[_stage(place)] += 1
                _look(place, report)
                if command == "pool" and _built(place):
                    break
            _through(place, command, report)
        _compare(place, report, peace)
        shutil.rmtree(place.folder)
    return report


def twice(place: Place, peace: Peace) -> Report:
    """Give each command twice at the same time, in the same folders."""
    report = Report("two at once")
    for command in place.commands:
        both = [place.start(command), place.another(command)]
        for running in both:
            running.wait(3600)
            if running.code or "Traceback" in running.printed:
                report.faults.append(f"{command}: exit code {running.code}, {running.printed[-200:]}")
        report.times += 1
        _look(place, report)
    _compare(place, report, peace)
    return report


def filled(place: Place, peace: Peace) -> Report:
    """Give the grid a disk that fills, then a larger one, until there is room."""
    report = Report("the disk is full")
    sizes = iter([int(share * peace.bytes) for share in DISKS])
    with disk(place.folder, next(sizes)) as grow:
        if grow is None:
            report.faults.append("not tried: no file system can be mounted here")
            return report
        for command in place.commands:
            while (ended := place.finish(command))[0] != 0:
                _look(place, report)
                report.times += 1
                report.where[_stage(place)] += 1
                printed = ended[1]
                if "Traceback" in printed or ("disk is full" not in printed and "cannot be written" not in printed):
                    report.faults.append(f"it printed: {printed[-300:]}")
                grow(next(sizes))  # there are enough, or this says so
            _look(place, report)
        _compare(place, report, peace)
    return report


def _reached(place: Place, running: Running, target: tuple[str, str, str, float], rng: random.Random) -> bool:
    """Wait for a random moment of a stage; say whether the command is still at work then."""
    _, cell, stage, lasting = target
    while stage != STARTING and not any((line["cell"], line["stage"]) == (cell, stage) for line in place.noted()):
        if running.wait(0.005):
            return False
    return not running.wait(rng.random() * lasting)


def _stage(place: Place) -> str:
    """Say what was being done last."""
    noted = place.noted()
    return str(noted[-1]["stage"]) if noted else STARTING


def _look(place: Place, report: Report) -> None:
    """Read all records that are there, and what processes noted of files that are not whole."""
    try:
        place.left()
    except Exception as error:  # noqa: BLE001 - whatever it is, it belongs into the table
        report.faults.append(f"{type(error).__name__}: {error}")
    report.faults += [str(line["stage"]) for line in place.noted() if str(line["stage"]).startswith("half-written")]


def _through(place: Place, command: str, report: Report) -> None:
    """Give a command again until it is through, at most a few times: others of its processes may still be at work."""
    if command == "pool" and _built(place):
        return  # killed after all was done
    for _ in range(5):
        code, printed = place.finish(command)
        _look(place, report)
        if code == 0 and "another process is running it" not in printed:
            return
        time.sleep(1)
    report.faults.append(f"{command} does not come through: {printed[-300:]}")


def _built(place: Place) -> bool:
    return (place.folder / "pool" / "pool.json").exists()


def _compare(place: Place, report: Report, peace: Peace) -> None:
    """Compare what is left with what is left in peace."""
    report.ends += 1
    left = place.left()
    if left != peace.left:
        report.faults.append(f"differs: {', '.join(_differences(left, peace.left))[:300]}")


def _differences(ours: Any, theirs: Any, where: str = "") -> Iterator[str]:
    """Name the fields in which two JSON values differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() | theirs.keys()):
            yield from _differences(ours.get(key), theirs.get(key), f"{where}.{key}" if where else key)
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _differences(one, other, f"{where}[{number}]")
    elif ours != theirs:
        yield f"{where} is {ours!r:.60} for {theirs!r:.60}"


@contextmanager
def disk(place: Path, size: int) -> Iterator[Any]:
    """Mount a small file system that can grow; give None where that is not allowed."""
    place.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield lambda size: subprocess.run(["mount", "-o", f"remount,size={size}", str(place)], check=True)
    finally:
        subprocess.run(["umount", str(place)], check=True)
