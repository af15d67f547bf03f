"""`freeshot view`: serve the results page on this machine; a reload shows new records."""

from __future__ import annotations

import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock

import rich_click as click

from freeshot.basics.errors import FreeshotError, StoreError
from freeshot.cli import options
from freeshot.cli.commands.leaderboard import extensions_of
from freeshot.cli.console import print_line
from freeshot.cli.context import session_of

HOST = "127.0.0.1"
"""Only this machine can connect."""


@click.command("view")
@options.results_argument
@click.option("--port", metavar="N", type=click.IntRange(0, 65535), default=8765, help="Port to serve on; 0: any free.")
@click.option("--open/--no-open", "opens", default=True, help="Open the page in the browser.")
@click.pass_context
def command(ctx: click.Context, results: Path, port: int, *, opens: bool) -> None:
    """Serve the results page of the records in DIR; a reload shows new records. Ctrl-C ends it."""
    from freeshot.render.write import results_page, results_stamp

    if not results.is_dir():
        raise StoreError(f"There is no folder {results}. Make records with 'freeshot run', or give another DIR.")
    extensions = extensions_of(session_of(ctx).catalogue)
    page = Fresh(lambda: results_page(results, extensions), lambda: results_stamp(results))
    try:
        server = Server((HOST, port), page)
    except OSError as error:
        raise FreeshotError(
            f"Port {port} cannot be used ({error.strerror}). Choose another with --port; --port 0 takes any free one."
        ) from None
    address = f"http://{HOST}:{server.server_port}/"
    print_line(f"Serving {results} at {address}. Press Ctrl-C to end.")
    sys.stdout.flush()  # a pipe would keep it until the end
    if opens:
        click.launch(address)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print_line("Ended.")
    finally:
        server.server_close()


class Fresh:
    """A text that is made again when the stamp of its sources has changed."""

    def __init__(self, make: Callable[[], str], stamp: Callable[[], object]) -> None:
        self._make, self._stamp = make, stamp
        self._lock = Lock()  # two requests at once make it once
        self._made: tuple[object, str] | None = None

    def text(self) -> str:
        """Return the current text."""
        with self._lock:
            stamp = self._stamp()
            if self._made is None or self._made[0] != stamp:
                self._made = stamp, self._make()
            return self._made[1]


class Server(ThreadingHTTPServer):
    """Serves one page at '/'."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], page: Fresh) -> None:
        self.page = page
        super().__init__(address, Handler)


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD of '/' with the page, everything else with 404."""

    server: Server

    def do_GET(self) -> None:
        """Send the page."""
        if self.path.partition("?")[0] != "/":
            self.send_error(404)
            return
        content = self.server.page.text().encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing for a request."""
