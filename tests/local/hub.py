"""A hub on the loopback: serves files of a model repository as huggingface.co does, and misbehaves on demand."""

import hashlib
import http.server
import threading
import time
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Stored:
    content: bytes
    sha256: str = ""
    """What the hub says; the content's own by default."""
    size: int | None = None
    served: bytes | None = None
    """What comes, where it is not the content."""
    status: int = 200
    cut_after: int | None = None
    """Bytes after which the connection breaks, each time."""
    cuts: int = 0
    """How many times it still breaks."""
    wait: float = 0.0
    """Seconds before the body begins."""
    elsewhere: bool = False
    """The bytes lie on another host (a second port)."""
    trickle: float = 0.0
    """Seconds between two pieces of 64 KiB."""


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    port: int


@dataclass
class Hub:
    """`with` it; `url` goes into HF_ENDPOINT."""

    files: dict[str, Stored]
    seen: list[Seen] = field(default_factory=list)

    def __enter__(self) -> "Hub":
        self._servers = [self._server(), self._server()]
        self.url, self.other = (f"http://127.0.0.1:{server.server_port}" for server in self._servers)
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def _server(self) -> http.server.ThreadingHTTPServer:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return server

    def of(self, method: str) -> list[Seen]:
        return [request for request in self.seen if request.method == method]

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

            def do_HEAD(self) -> None:
                hub._answer(self, body=False)

            def do_GET(self) -> None:
                hub._answer(self, body=True)

        return Handler

    def _answer(self, request: http.server.BaseHTTPRequestHandler, *, body: bool) -> None:
        port = str(request.server.server_address).rpartition(",")[2].strip(" )")
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append(Seen(request.command, request.path, headers, int(port)))
        stored = self.files.get(request.path.replace("/resolve/main/", "/").lstrip("/"))
        if stored is None or stored.status != 200:
            request.send_response(404 if stored is None else stored.status)
            if stored is None:
                request.send_header("X-Error-Code", "EntryNotFound")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        content = stored.content if stored.served is None else stored.served
        if stored.elsewhere and str(port) == self.url.rpartition(":")[2]:
            request.send_response(302)
            request.send_header("Location", f"{self.other}{request.path}")
            self._describe(request, stored)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        start = int(headers["range"].removeprefix("bytes=").rstrip("-")) if "range" in headers else 0
        request.send_response(206 if start else 200)
        self._describe(request, stored)
        request.send_header("Content-Length", str(len(content) - start))
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        request.end_headers()
        if body:
            self._send(request, stored, content[start:])

    def _describe(self, request: http.server.BaseHTTPRequestHandler, stored: Stored) -> None:
        digest = stored.sha256 or hashlib.sha256(stored.content).hexdigest()
        request.send_header("X-Repo-Commit", "0" * 40)
        request.send_header("X-Linked-Etag", f'"{digest}"')
        request.send_header("X-Linked-Size", str(len(stored.content) if stored.size is None else stored.size))

    def _send(self, request: http.server.BaseHTTPRequestHandler, stored: Stored, content: bytes) -> None:
        time.sleep(stored.wait)
        if stored.cuts > 0 and stored.cut_after is not None:
            stored.cuts -= 1
            content = content[: stored.cut_after]
        try:
            for at in range(0, len(content), 65536):
                request.wfile.write(content[at : at + 65536])
                time.sleep(stored.trickle)
        except OSError:
            return
