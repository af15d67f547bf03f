"""A grid that is killed at any point, that runs on a full disk, or that runs twice at once: its records are the same.

Commands run in forks of a process that has imported the libraries; else kills would mostly hit imports.
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
from tests.soak.grid import GridFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.soak.grid import Running

KILLS, BY_OPERATION, WITH_WORKERS = 42, 30, 12
A_LIFE = 6
"""Kills until the grid runs to its end, is compared, and starts again in an empty folder."""
DISKS = (0.005, 0.01, 0.02, 0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 4)
"""Sizes of a disk as it grows, as shares of what the grid leaves."""
STARTING = "starting"


@dataclass
class Report:
    """The outcome of one kind of interruption."""

    what: str
    times: int = 0
    where: Counter[str] = field(default_factory=Counter)
    """Stage → how often it was interrupted."""
    ends: int = 0
    """How often the grid was finished and compared."""
    faults: list[str] = field(default_factory=list)

    def row(self) -> tuple[str, ...]:
        """Return it as a row of the table."""
        where = ", ".join(f"{stage} {count}" for stage, count in sorted(self.where.items()))
        ends = f"{self.ends} of {self.ends} equal" if not self.faults else "; ".join(dict.fromkeys(self.faults))
        return self.what, str(self.times), where, ends


@dataclass(frozen=True)
class Baseline:
    """The undisturbed run of the grid."""

    results: dict[str, Any]
    moments: tuple[tuple[str, str, str, float], ...]
    """Command, cell, stage and its seconds, in order."""
    operations: dict[str, int]
    """File operations of each command."""
    bytes: int
    """Size of its folder at the end."""


def bench(kills: int = KILLS, by_operation: int = BY_OPERATION, with_workers: int = WITH_WORKERS) -> Table:
    """Interrupt the grid in every way."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name).resolve()
        baseline = run_baseline(GridFolder(home / "baseline"))
        rows = []
        ways: tuple[Callable[[], Any], ...] = (
            lambda: killed(GridFolder(home / "killed"), kills, baseline),
            lambda: killed_by_operation(GridFolder(home / "operation"), by_operation, baseline),
            lambda: killed(GridFolder(home / "workers", workers=2), with_workers, baseline),
            lambda: twice(GridFolder(home / "twice"), baseline),
            lambda: filled(GridFolder(home / "disk"), baseline),
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
        "be reported here."
    )
    heads = ("what happened", "times", "where", "in the end")
    return Table("Interruptions", note, heads, tuple(rows))


def run_baseline(grid: GridFolder) -> Baseline:
    """Run the grid undisturbed; record its stages and count its file operations."""
    moments, operations = [], {}
    for command in grid.commands:
        begun = time.time()
        code, printed = grid.finish(command)
        assert code == 0, printed
        lines = [{"at": begun, "cell": "", "stage": STARTING}, *grid.stages()]
        ends = [float(line["at"]) for line in lines[1:]] + [time.time()]
        for line, end in zip(lines, ends, strict=True):
            moments.append((command, str(line["cell"]), str(line["stage"]), end - float(line["at"])))
        operations[command] = sum(1 for _ in (grid.diary / "operations").read_text())
    size = sum(path.stat().st_size for path in grid.folder.rglob("*") if path.is_file())
    return Baseline(grid.results(), tuple(moments), operations, size)


def killed(grid: GridFolder, kills: int, baseline: Baseline) -> Report:
    """Kill the grid at random moments of random stages; now and then finish it, compare, and start again."""
    rng = random.Random(f"{grid.workers} {kills}")
    report = Report("kill −9" if grid.workers == 1 else f"kill −9 with {grid.workers} workers")
    processes = ("all",) if grid.workers == 1 else ("all", "first", "worker")
    number = 0
    while report.times < kills:
        drawn = sorted(rng.sample(range(len(baseline.moments)), min(A_LIFE, kills - report.times)))
        targets = [baseline.moments[moment] for moment in drawn]
        for command in grid.commands:
            for target in [target for target in targets if target[0] == command]:
                running = grid.start(command)
                process = processes[number % len(processes)]
                number += 1
                if not _reached(grid, running, target, rng):
                    break  # the stage was faster than before
                stage = _stage(grid)
                if running.kill(process):
                    report.where[stage] += 1
                    report.times += 1
                running.wait(600)
                _inspect(grid, report)
            _finish(grid, command, report)
        _compare(grid, report, baseline)
        shutil.rmtree(grid.folder)
    return report


def killed_by_operation(grid: GridFolder, kills: int, baseline: Baseline) -> Report:
    """Kill the grid just before an operation on a file, drawn by number, as above."""
    rng = random.Random(kills)
    report = Report("kill −9 before an operation on a file")
    while report.times < kills:
        for command, count in baseline.operations.items():
            for _ in range(2 if command == "pool" else A_LIFE):
                dying = replace(grid, death=rng.randint(1, count))
                code, printed = dying.finish(command)
                if code == 0:
                    break
                report.times += code == -9
                if code != -9:
                    report.faults.append(printed[-200:])
                report.where[_stage(grid)] += 1
                _inspect(grid, report)
                if command == "pool" and _built(grid):
                    break
            _finish(grid, command, report)
        _compare(grid, report, baseline)
        shutil.rmtree(grid.folder)
    return report


def twice(grid: GridFolder, baseline: Baseline) -> Report:
    """Run each command twice at the same time, in the same folders."""
    report = Report("two at once")
    for command in grid.commands:
        both = [grid.start(command), grid.another(command)]
        for running in both:
            running.wait(3600)
            if running.code or "Traceback" in running.printed:
                report.faults.append(f"{command}: exit code {running.code}, {running.printed[-200:]}")
        report.times += 1
        _inspect(grid, report)
    _compare(grid, report, baseline)
    return report


def filled(grid: GridFolder, baseline: Baseline) -> Report:
    """Run the grid on a disk that fills, then on a larger disk, until the space suffices."""
    report = Report("the disk is full")
    sizes = iter([int(share * baseline.bytes) for share in DISKS])
    with disk(grid.folder, next(sizes)) as grow:
        if grow is None:
            report.faults.append("not tried: no file system can be mounted here")
            return report
        for command in grid.commands:
            while (ended := grid.finish(command))[0] != 0:
                _inspect(grid, report)
                report.times += 1
                report.where[_stage(grid)] += 1
                printed = ended[1]
                if "Traceback" in printed or ("disk is full" not in printed and "cannot be written" not in printed):
                    report.faults.append(f"it printed: {printed[-300:]}")
                grow(next(sizes))  # StopIteration if there are too few
            _inspect(grid, report)
        _compare(grid, report, baseline)
    return report


def _reached(grid: GridFolder, running: Running, target: tuple[str, str, str, float], rng: random.Random) -> bool:
    """Wait for a random moment of a stage; return whether the command is still running then."""
    _, cell, stage, lasting = target
    while stage != STARTING and not any((line["cell"], line["stage"]) == (cell, stage) for line in grid.stages()):
        if running.wait(0.005):
            return False
    return not running.wait(rng.random() * lasting)


def _stage(grid: GridFolder) -> str:
    """Return the last recorded stage."""
    stages = grid.stages()
    return str(stages[-1]["stage"]) if stages else STARTING


def _inspect(grid: GridFolder, report: Report) -> None:
    """Read all records, and collect what processes recorded about half-written files."""
    try:
        grid.results()
    except Exception as error:  # noqa: BLE001 - any exception belongs in the table
        report.faults.append(f"{type(error).__name__}: {error}")
    report.faults += [str(line["stage"]) for line in grid.stages() if str(line["stage"]).startswith("half-written")]


def _finish(grid: GridFolder, command: str, report: Report) -> None:
    """Repeat a command until it finishes, at most a few times: other processes of it may still be running."""
    if command == "pool" and _built(grid):
        return  # killed after everything was finished
    for _ in range(5):
        code, printed = grid.finish(command)
        _inspect(grid, report)
        if code == 0 and "another process is running it" not in printed:
            return
        time.sleep(1)
    report.faults.append(f"{command} does not come through: {printed[-300:]}")


def _built(grid: GridFolder) -> bool:
    return (grid.folder / "pool" / "pool.json").exists()


def _compare(grid: GridFolder, report: Report, baseline: Baseline) -> None:
    """Compare the records and the pool with those of the baseline."""
    report.ends += 1
    results = grid.results()
    if results != baseline.results:
        report.faults.append(f"differs: {', '.join(_differences(results, baseline.results))[:300]}")


def _differences(ours: Any, theirs: Any, where: str = "") -> Iterator[str]:
    """Name the fields in which two JSON values differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() | theirs.keys()):
            yield from _differences(ours.get(key), theirs.get(key), f"{where}.{key}" if where else key)
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (first, second) in enumerate(zip(ours, theirs, strict=True)):
            yield from _differences(first, second, f"{where}[{number}]")
    elif ours != theirs:
        yield f"{where} is {ours!r:.60} for {theirs!r:.60}"


@contextmanager
def disk(folder: Path, size: int) -> Iterator[Any]:
    """Mount a small file system that can grow; yield None where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield lambda size: subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
