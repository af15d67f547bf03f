"""`view` serves the page of a folder of records, and updates it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest
from tests.conftest import TOY_TRACK as TRACK
from tests.leaderboard.conftest import make_record

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Call


def response_of(port: int, path: str = "/", method: str = "GET", host: str = "") -> tuple[int, str]:
    """Return status and text of the response of the server at a port."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, headers={"Host": host} if host else {})
    response = connection.getresponse()
    return response.status, response.read().decode("utf-8")


def test_the_page_is_served_follows_new_records_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    make_record("alpha").write(tmp_path / "a.json")
    command = [sys.executable, "-m", "freeshot", "view", str(tmp_path), "--no-open", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
        assert address is not None, line
        port = int(address[1])
        status, page = response_of(port)
        assert (status, '"label":"alpha"' in page) == (200, True)
        make_record("beta").write(tmp_path / "b.json")
        assert '"label":"beta"' in response_of(port)[1]
        (tmp_path / "a.json").unlink()
        (tmp_path / "bad.json").write_text("{")
        assert '"label":"alpha"' not in response_of(port)[1]
        assert response_of(port, method="HEAD") == (200, "")
        assert response_of(port, "/../records.json")[0] == 404
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "Ended.\n", "")


def test_a_taken_port_is_one_line_on_stderr(call: Call, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = call("view", str(tmp_path), "--no-open", "--port", str(port), plugins="")
    assert done.exit_code == 2
    assert done.stderr.startswith(
        f"Error: Port {port} cannot be used (Address already in use). Choose another with --port"
    )
    assert done.stderr.count("\n") == 1


def test_a_missing_folder_is_one_line_on_stderr(call: Call, tmp_path: Path) -> None:
    done = call("view", str(tmp_path / "none"), "--no-open", plugins="")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "does not exist. Create records with 'freeshot run'" in done.stderr


def test_episodes_are_served_to_this_machine_only_and_errors_are_one_line(call: Call, tmp_path: Path) -> None:
    folders = ("--results", str(tmp_path / "results"), "--cache", str(tmp_path / "cache"))
    chosen = ("--track", TRACK, "--method", "frozen-prototype")
    done = call("run", "toy", *chosen, "--save-predictions", *folders, plugins="toy,baselines,launchers")
    assert done.exit_code == 0, done.output
    command = [sys.executable, "-m", "freeshot", "view", str(tmp_path / "results"), "--no-open", "--port", "0"]
    with subprocess.Popen([*command, "--track", TRACK], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = re.search(r"http://127\.0\.0\.1:(\d+)(/\S+)\. ", process.stdout.readline())
        assert address is not None
        port = int(address[1])
        assert address[2] == "/episodes?track=toy%2Fin-domain%2F2w1s"
        assert '<a href="/episodes">' in response_of(port)[1]
        status, page = response_of(port, address[2] + "&episode=3")
        assert (status, "<h2>Episode 3</h2>" in page, "image/webp" in page) == (200, True, True)
        status, page = response_of(port, "/episodes?track=toy/in-domain/2w9s")
        assert (status, "No track with results is called" in page) == (400, True)
        assert response_of(port, address[2], host=f"evil.example:{port}")[0] == 403
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)

    path = tmp_path / "episodes.html"
    export = ("view", str(tmp_path / "results"), "--export", str(path), "--data", str(tmp_path / "data"))
    done = call(*export, "--episodes", "2", "--row", "frozen-prototype", plugins="toy,baselines")
    assert (done.exit_code, done.stdout, done.stderr) == (0, f"Wrote {path}.\n", "")
    assert path.read_text(encoding="utf-8").count("<article") == 2
    for arguments, sentence in {
        ("--track", "toy/in-domain/2w9s"): "No track with results is called 'toy/in-domain/2w9s'.",
        ("--row", "fozen"): "No row or method of 'toy' is called 'fozen'.",
        ("--suite", "pocket"): "No suite with records is called 'pocket'.",
    }.items():
        done = call(*export, *arguments, plugins="toy,baselines")
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
        assert sentence in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--export", "x.html"], "Error: No record is finished."),
        (["--episodes", "3"], "--episodes is the number of episodes to export. Add --export FILE."),
        (["--row", "a", "--row", "b", "--row", "c"], "--row is given at most twice."),
    ],
)
def test_an_invalid_export_is_an_error(call: Call, tmp_path: Path, arguments: list[str], sentence: str) -> None:
    done = call("view", str(tmp_path), "--no-open", *arguments, plugins="")
    assert done.exit_code == 2
    assert sentence in done.stderr
