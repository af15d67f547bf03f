"""The command `freeshot` without the seconds that importing torch takes: each call is a fork of a process that has it.

`command_folder()` returns a folder to put first on the PATH. Its `freeshot` is a small client: it sends its arguments,
working directory, environment and streams to a server, which forks; the child is what `freeshot` is after its imports,
and no state of one call is left for the next. Pages of the documentation run over a hundred commands in this way, in
shell pipelines. tests/testing/test_scaffold.py starts the command as users do.
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
MODULES = (
    "freeshot.cli.app",
    "freeshot.plugin.catalogue",
    "freeshot.launch.runner",
    "freeshot.testing.contract.all_rules",
)
HEAD = 8
"""Bytes of the length that precedes a request."""
CLIENT = """\
#!{python} -IS
import json, os, socket, sys
request = json.dumps([sys.argv, os.getcwd(), dict(os.environ)]).encode()
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({address!r})
    socket.send_fds(connection, [len(request).to_bytes({head}, "big")], [0, 1, 2])
    connection.sendall(request)
    status = connection.recv(1)
sys.exit(status[0] if status else 1)
"""


@functools.cache
def command_folder() -> Path:
    """Start the server, which ends with this process, and return the folder of the client `freeshot`."""
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
        server.communicate()  # closes its input, on which it ends
        shutil.rmtree(folder)

    atexit.register(end)
    return client.parent


def serve(address: str) -> None:
    """Import everything slow, then fork for each request in turn until standard input is closed."""
    for name in (*LIBRARIES, *MODULES, *(entry.module for entry in entry_points(group="freeshot"))):
        importlib.import_module(name)
    gc.freeze()  # or else garbage collection in a fork copies all of this
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        os.write(1, b"listening\n")
        while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            with connection:
                process = os.fork()
                if process == 0:
                    run_request(connection)
                code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
                connection.sendall(bytes([code % 256]))


def run_request(connection: socket.socket) -> NoReturn:
    """Take over the client's streams, folder and environment, and run its command."""
    head, streams, _, _ = socket.recv_fds(connection, HEAD, 3)
    with connection.makefile("rb") as request:
        arguments, folder, environment = json.loads(request.read(int.from_bytes(head, "big")))
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path not in sys.path]
    sys.argv = arguments
    sys.modules["__main__"] = ModuleType("__main__")  # worker processes must not import this file
    from freeshot.cli import main

    code = 1
    try:
        main(prog_name="freeshot")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - printed as the interpreter does
        traceback.print_exc()
    atexit._run_exitfuncs()  # ends worker processes among others
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # a regular end of the interpreter copies every page of what was imported


if __name__ == "__main__":
    serve(sys.argv[1])
