"""A server on loopback that is notified."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "very-secret-token"


class Receiver:
    """An HTTP server that keeps what it is sent and answers with `status`, or not at all."""

    def __init__(self, status: int | None) -> None:
        self.status = status
        self.linger = 0.0
        """Seconds that an answer takes."""
        self.under_way: list[object] = []
        self.most = 0
        """Calls that were under way at the same time."""
        self.got: list[dict[str, Any]] = []
        self.called = threading.Event()
        self.let_go = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.called.set()
                if outer.status is None:
                    outer.let_go.wait(120)
                    return
                outer.got.append(json.loads(body))
                outer.under_way.append(self)
                outer.most = max(outer.most, len(outer.under_way))
                time.sleep(outer.linger)
                outer.under_way.remove(self)
                self.send_response(outer.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"json://127.0.0.1:{self._server.server_port}/{TOKEN}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def close(self) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
