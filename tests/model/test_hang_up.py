"""A server that says it keeps a connection, and hangs up behind each answer: llama.cpp does so after a stream."""

import json
import socketserver
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Self

import pytest

from agentbatch.model.client import ModelClient
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.reply import ModelError
from agentbatch.model.retry import RetryPolicy

OpenEndpoint = Callable[..., Awaitable[Endpoint]]

CHUNK = {"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": "stop"}]}
BODY = b"data: " + json.dumps(CHUNK).encode() + b"\n\ndata: [DONE]\n\n"
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
    b"Keep-Alive: timeout=5, max=100\r\n\r\n" + b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
)


class HangingUp(socketserver.ThreadingTCPServer):
    """Counts the requests; leaves the first `silent` of them without an answer. In threads of its own, since the
    client's event loop has to be kept from seeing the end of a connection."""

    daemon_threads = True

    def __init__(self, silent: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.silent = silent
        self.requests = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Answering(socketserver.StreamRequestHandler):
    server: HangingUp

    def handle(self) -> None:
        length = 0
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        self.rfile.read(length)
        self.server.requests += 1
        if self.server.requests > self.server.silent:
            self.wfile.write(ANSWER)


async def test_a_connection_that_is_gone_costs_no_attempt(open_endpoint: OpenEndpoint) -> None:
    with HangingUp() as server:
        client = ModelClient(await open_endpoint(server.url), "m")
        for _ in range(6):
            reply = await client.complete([{"role": "user", "content": "Hi"}])
            assert (reply.content, reply.attempts) == ("Hello", 1)
            time.sleep(0.05)  # noqa: ASYNC251 - as a tool that writes a file does
    assert server.requests == 6


async def test_a_server_that_never_answers_is_not_asked_twice(open_endpoint: OpenEndpoint) -> None:
    with HangingUp(silent=10) as server:
        client = ModelClient(await open_endpoint(server.url, retry=RetryPolicy(max_retries=0)), "m")
        with pytest.raises(ModelError, match="Server disconnected"):
            await client.complete([{"role": "user", "content": "Hi"}])
    assert server.requests == 1
