"""The plugins in the documentation that send events to other tools do so."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests import cli_fork_server

PAGE = Path(__file__).parents[1] / "docs/howto/track-runs.md"
FAKE = """
class Run:
    def __init__(self, **facts): print("init", facts)
    def log(self, values): print("log", sorted(values))
    def finish(self): print("finish")

init = Run
"""


def test_a_cell_becomes_a_run_of_trackio(tmp_path: Path) -> None:
    block = re.search(r'title="to_trackio.py"\n(.*?)```', PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    (tmp_path / "to_trackio.py").write_text(block[1])
    (tmp_path / "trackio.py").write_text(FAKE)
    command = [
        str(cli_fork_server.command_folder() / "freeshot"),
        "run",
        "toy",
        "--method",
        "frozen-prototype",
        "--track",
        "toy/*/2w1s",
    ]
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "FREESHOT_PLUGINS": "launchers,toy,baselines"}
    done = subprocess.run(
        [*command, "--plugin", "to_trackio.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    received = [
        re.sub(r" [0-9a-f]{8}'", " CELL'", line)
        for line in done.stdout.splitlines()
        if line.startswith(("init", "log", "finish"))
    ]
    assert received == [
        "init {'project': 'freeshot', 'name': 'toy/in-domain/2w1s · frozen-prototype CELL'}",
        "log ['seconds/evaluation']",
        "log ['accuracy', 'half width']",
        "finish",
    ]
