"""A web server of one file, for tests of downloads."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

CONTENT = bytes(range(256)) * 8000


@contextmanager
def served(content: bytes = CONTENT, *, most: int | None = None) -> Iterator[tuple[str, list[str]]]:
    """Serve a file at /w.bin with ranges; `most` bytes of it before the connection is closed."""
    ranges: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            begin = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
            ranges.append(self.headers.get("Range") or "")
            if self.path != "/w.bin" or begin >= len(content):
                self.send_error(404 if self.path != "/w.bin" else 416)
                return
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(content) - begin))
            self.end_headers()
            self.wfile.write(content[begin:][: most or len(content)])

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/w.bin", ranges
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
