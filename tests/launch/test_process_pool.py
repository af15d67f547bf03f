"""Worker processes end with the process that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

WORKERS = """
import os, time
from freeshot.launch.launchers.local import map_in_processes


def work(item):
    line = open("line", "w")
    print(os.getpid(), file=line, flush=True)
    time.sleep(600)


if __name__ == "__main__":
    map_in_processes(["a", "b"], work, [{}, {}])
"""


@pytest.mark.timeout(120)  # workers that do not start leave the pipe without a writer
def test_workers_end_with_a_killed_run(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "line")
    (tmp_path / "workers.py").write_text(WORKERS)
    with subprocess.Popen([sys.executable, "workers.py"], cwd=tmp_path) as run, (tmp_path / "line").open() as line:
        assert {line.readline().strip().isdigit() for _ in range(2)} == {True}
        run.send_signal(signal.SIGKILL)
        assert line.read() == ""  # returns only after every worker has closed the other end


UNGUARDED = """
from freeshot.launch.launchers.local import LocalLauncher

print("main")
LocalLauncher(workers=2).launch(["a", "b"], print)
print(__spec__, __file__)
"""


def test_a_script_without_a_guard_is_not_run_again_by_its_workers(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(UNGUARDED)
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert sorted(done.stdout.splitlines()) == [f"None {tmp_path / 'script.py'}", "a", "b", "main"], done.stderr
