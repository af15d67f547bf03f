"""The command `freeshot` without the seconds in which torch is imported: each call is a fork of a process that has it.

`command()` returns a folder with a `freeshot` to put first on the PATH. It hands its words, folder, environment and
streams to the process of `main`, which forks; the fork is what `freeshot` is after its imports, and nothing of one call
is left for the next. tests/testing/test_scaffold.py starts the command by itself, as anybody does.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import traceback
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import NoReturn

LIBRARIES = (
    "numpy",
    "torch",
    "timm.models.vision_transformer",
    "peft",
    "safetensors.torch",
    "scipy.stats",
    "PIL.Image",
)
OURS = (
    "freeshot.cli.app",
    "freeshot.plugin.catalogue",
    "freeshot.launch.runner",
    "freeshot.testing.contract.all_rules",
)
HEAD = 8
"""Bytes in which the length of an order is told."""
CLIENT = """\
#!{python} -IS
import json, os, socket, sys
order = json.dumps([sys.argv, os.getcwd(), dict(os.environ)]).encode()
with socket.socket(socket.AF_UNIX) as line:
    line.connect({address!r})
    socket.send_fds(line, [len(order).to_bytes({head}, "big")], [0, 1, 2])
    line.sendall(order)
    status = line.recv(1)
sys.exit(status[0] if status else 1)
"""


@functools.cache
def command() -> Path:
    """Start the process that forks, which ends with this one; return the folder of its command."""
    folder = Path(tempfile.mkdtemp(prefix="freeshot-forks-"))
    address = str(folder / "socket")
    client = folder / "bin" / "freeshot"
    client.parent.mkdir()
    client.write_text(CLIENT.format(python=sys.executable, address=address, head=HEAD), encoding="utf-8")
    client.chmod(0o755)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(
        [sys.executable, "-P", __file__, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdout.readline()  # until it listens

    def end() -> None:
        server.communicate()  # closes its input, which it takes for the end
        shutil.rmtree(folder)

    atexit.register(end)
    return client.parent


def main(address: str) -> None:
    """Import what is heavy, then fork for every order, one after the other, until the input is closed."""
    for name in (*LIBRARIES, *OURS, *(entry.module for entry in entry_points(group="freeshot"))):
        importlib.import_module(name)
    gc.freeze()  # a fork that collects garbage would copy all of this
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(address)
        door.listen()
        os.write(1, b"listening\n")
        while sys.stdin not in select.select([door, sys.stdin], [], [])[0]:
            line, _ = door.accept()
            with line:
                process = os.fork()
                if process == 0:
                    follow(line)
                code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
                line.sendall(bytes([code % 256]))


def follow(line: socket.socket) -> NoReturn:
    """Become the command that was asked for."""
    head, streams, _, _ = socket.recv_fds(line, HEAD, 3)
    with line.makefile("rb") as order:
        words, folder, environment = json.loads(order.read(int.from_bytes(head, "big")))
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = [place for place in environment.get("PYTHONPATH", "").split(os.pathsep) if place not in sys.path]
    sys.argv = words
    sys.modules["__main__"] = ModuleType("__main__")  # worker processes are not to import this file
    from freeshot.cli import main as freeshot

    code = 1
    try:
        freeshot(prog_name="freeshot")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - told as the interpreter tells it
        traceback.print_exc()
    atexit._run_exitfuncs()  # ends what was started, workers among them
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # an interpreter that tidies up would copy every page of what was imported


if __name__ == "__main__":
    main(sys.argv[1])
