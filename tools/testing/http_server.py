"""HTTP server on this machine whose faults a test can choose."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Host:
    """Server of ``files`` by name."""

    def __init__(self, files: dict[str, bytes] | None = None) -> None:
        self.files = dict(files or {})
        self.requests: list[tuple[str, str]] = []  # name and Range header, or ""
        self.supports_ranges = True
        self.cut_after: list[int] = []  # bytes after which the next responses break off
        self.status_codes: list[int] = []  # of the next responses, instead of the file
        self.redirects: dict[str, str] = {}  # name to address
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.respond(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def respond(self, request: BaseHTTPRequestHandler) -> None:
        name = request.path.removeprefix("/")
        range_header = request.headers.get("Range", "")
        self.requests.append((name, range_header))
        if self.status_codes:
            request.send_error(self.status_codes.pop(0))
            return
        if name in self.redirects:
            request.send_response(302)
            request.send_header("Location", self.redirects[name])
            request.end_headers()
            return
        if name not in self.files:
            request.send_error(404)
            return
        body = self.files[name]
        start = int(re.fullmatch(r"bytes=(\d+)-", range_header)[1]) if range_header and self.supports_ranges else 0
        if start and start >= len(body):
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        request.send_header("Content-Length", str(len(body) - start))
        request.end_headers()
        rest = body[start:]
        request.wfile.write(rest[: self.cut_after.pop(0)] if self.cut_after else rest)
