"""`freeshot view`: serve the results page and its episodes on this machine; a reload shows new records."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar
from urllib.parse import parse_qsl, urlencode

import rich_click as click

from freeshot.basics.errors import FreeshotError
from freeshot.cli import options
from freeshot.cli.commands.leaderboard import extensions_of
from freeshot.cli.console import print_line, print_warning
from freeshot.cli.context import session_of

HOST = "127.0.0.1"
"""Only this machine can connect."""
LOCAL = (HOST, "localhost")
"""Names under which the pages with pictures are served."""
EPISODES = "/episodes"
T = TypeVar("T")
Pages = Mapping[str, Callable[[Mapping[str, str]], str]]
"""Path → function of the address's query that makes the page."""


@click.command("view")
@options.results_argument
@click.option("--port", metavar="N", type=click.IntRange(0, 65535), default=8765, help="Port to serve on; 0: any free.")
@click.option("--open/--no-open", "opens", default=True, help="Open the page in the browser.")
@options.suite(help="Suite of the episodes to open or export.")
@click.option("--track", "-t", metavar="NAME", help="Track of the episodes to open or export.")
@click.option("--row", "-r", "rows", multiple=True, metavar="NAME", help="Row to open or export; twice for A and B.")
@click.option("--export", metavar="FILE", type=options.FILE, help="Write episodes as one HTML file and serve nothing.")
@click.option("--episodes", metavar="N", type=click.IntRange(1), help="Number of episodes to export.  [default: 12]")
@options.data_folder
@click.pass_context
def command(
    ctx: click.Context,
    results: Path,
    port: int,
    suite: str | None,
    track: str | None,
    rows: tuple[str, ...],
    export: Path | None,
    episodes: int | None,
    data: Path,
    *,
    opens: bool,
) -> None:
    """Serve the results page of the records in DIR and their episodes; a reload shows new records. Ctrl-C ends it.

    /episodes shows pictures and what two rows predicted. --export writes the hardest, the median and the easiest.
    """
    from freeshot.render.write import results_page, results_stamp
    from freeshot.workflows.episode_browser import EpisodeBrowser, open_results

    options.require_results(results)
    if len(rows) > 2:
        raise click.UsageError("--row is given at most twice.")
    if episodes and not export:
        raise click.UsageError("--episodes is the number of episodes to export. Add --export FILE.")
    catalogue = session_of(ctx, data=data).catalogue
    extensions = extensions_of(catalogue)
    browser = EpisodeBrowser(catalogue, data)
    if export:
        for note in browser.export(open_results(results, extensions), export, suite, track, rows, episodes or 12):
            print_warning(note)
        print_line(f"Wrote {export}.")
        return
    page = Fresh(lambda: results_page(results, extensions, EPISODES), lambda: results_stamp(results))
    folder = Fresh(lambda: open_results(results, extensions), lambda: results_stamp(results))
    pages = {"/": lambda query: page.value(), EPISODES: lambda query: browser.page(folder.value(), query)}
    chosen = {"suite": suite, "track": track, **dict(zip("ab", rows, strict=False))}
    query = urlencode({name: value for name, value in chosen.items() if value})
    serve(pages, port, f"Serving {results} at", f"{EPISODES.lstrip('/')}?{query}" if query else "", opens=opens)


def serve(pages: Pages, port: int, what: str, first: str, *, opens: bool) -> None:
    """Serve pages until Ctrl-C; `first` is the page to open, relative to the root."""
    try:
        server = Server((HOST, port), pages)
    except OSError as error:
        raise FreeshotError(
            f"Port {port} cannot be used ({error.strerror}). Choose another with --port; --port 0 takes any free one."
        ) from None
    address = f"http://{HOST}:{server.server_port}/{first}"
    print_line(f"{what} {address}. Press Ctrl-C to end.")
    sys.stdout.flush()  # a pipe would keep it until the end
    if opens:
        click.launch(address)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print_line("Ended.")
    finally:
        server.server_close()


class Fresh(Generic[T]):
    """A value that is made again when the stamp of its sources has changed."""

    def __init__(self, make: Callable[[], T], stamp: Callable[[], object]) -> None:
        self._make, self._stamp = make, stamp
        self._lock = Lock()  # two requests at once make it once
        self._made: tuple[object, T] | None = None

    def value(self) -> T:
        """Return the current value."""
        with self._lock:
            stamp = self._stamp()
            if self._made is None or self._made[0] != stamp:
                self._made = stamp, self._make()
            return self._made[1]


class Server(ThreadingHTTPServer):
    """Serves pages by their paths."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], pages: Pages) -> None:
        self.pages = pages
        self.lock = Lock()
        """Pages are made one at a time."""
        super().__init__(address, Handler)


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD of the pages; an error of one sentence with 400, everything else with 404."""

    server: Server

    def do_GET(self) -> None:
        """Send the page."""
        path, _, query = self.path.partition("?")
        if path not in self.server.pages:
            self.send_error(404)
            return
        if path != "/" and self.headers.get("Host", "").rpartition(":")[0] not in LOCAL:
            self.send_error(403)  # another site's name that leads here would let that site read private pictures
            return
        try:
            with self.server.lock:
                status, text = 200, self.server.pages[path](dict(parse_qsl(query)))
        except FreeshotError as error:
            from freeshot.render.html.episodes import error_page

            status, text = 400, error_page(str(error))
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing for a request."""
