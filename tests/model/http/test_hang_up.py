"""A server that says it keeps a connection, and hangs up behind each answer: llama.cpp does so after a stream."""

import asyncio
import json
import socketserver
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Self

import pytest

from agentbatch.model.client import ModelClient
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures.retry import RetryPolicy
from agentbatch.model.http.body import is_gone
from agentbatch.model.reply import CallUpdate, ModelError
from agentbatch.requests.batch.call import Caller
from agentbatch.requests.spec.request import CHAT

OpenEndpoint = Callable[..., Awaitable[Endpoint]]

CHUNK = {"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": "stop"}]}
BODY = b"data: " + json.dumps(CHUNK).encode() + b"\n\ndata: [DONE]\n\n"
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
    b"Keep-Alive: timeout=5, max=100\r\n\r\n" + b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
)


class HangingUp(socketserver.ThreadingTCPServer):
    """Counts the requests; leaves the first `silent` of them without an answer. `reads`: it reads the next request on a
    kept connection before it hangs up. In threads of its own, since the client's event loop has to be kept from seeing
    the end of a connection."""

    daemon_threads = True

    def __init__(self, silent: int = 0, *, reads: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.silent = silent
        self.reads = reads
        self.requests = 0
        self.closes = threading.Event()
        """Connections are kept until it is set."""
        self.closes.set()

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
        if self._read() and self.server.requests > self.server.silent:
            self.wfile.write(ANSWER)
            self.server.closes.wait(10)
            if self.server.reads:
                self._read()

    def _read(self) -> bool:
        """One request; false at the connection's end."""
        length = 0
        line = self.rfile.readline()
        while line not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
            line = self.rfile.readline()
        self.rfile.read(length)
        self.server.requests += bool(line)
        return bool(line)


async def test_a_connection_that_is_gone_costs_no_time_and_is_told(open_endpoint: OpenEndpoint) -> None:
    """Sent again at once, also where nothing is retried; counted and shown like any other attempt."""
    updates: list[CallUpdate] = []
    attempts = []
    with HangingUp() as server:
        client = ModelClient(await open_endpoint(server.url, retry=RetryPolicy(max_retries=0)), "m")
        for _ in range(6):
            reply = await client.complete([{"role": "user", "content": "Hi"}], observer=updates.append)
            attempts.append(reply.attempts)
            assert reply.content == "Hello"
            time.sleep(0.05)  # noqa: ASYNC251 - as a tool that writes a file does
    assert server.requests == 6
    assert attempts[0] == 1
    assert max(attempts) <= 2
    told = [update for update in updates if update.kind == "retrying"]
    assert len(told) == sum(attempts) - 6
    assert all(update.seconds == 0 and update.reason for update in told)


async def test_what_a_server_read_before_it_hung_up_is_counted(open_endpoint: OpenEndpoint) -> None:
    """Each second request is read and left without an answer: both sides count the same."""
    with HangingUp(reads=True) as server:
        client = ModelClient(await open_endpoint(server.url), "m")
        attempts = [(await client.complete([{"role": "user", "content": "Hi"}])).attempts for _ in range(6)]
        assert attempts == [1, 2, 1, 2, 1, 2] or attempts == [1, 2, 2, 2, 2, 2]
        assert server.requests in (sum(attempts), sum(attempts) + 1)


async def test_plain_requests_count_it_too(open_endpoint: OpenEndpoint) -> None:
    with HangingUp(reads=True) as server:
        caller = Caller(await open_endpoint(server.url, retry=RetryPolicy(max_retries=0)))
        body = {"model": "m", "messages": []}
        tried = 0

        @asynccontextmanager
        async def attempt() -> AsyncIterator[None]:
            nonlocal tried
            tried += 1
            yield

        for _ in range(4):
            outcome = await caller.call(CHAT, body, b"{}", 1, model="m", attempt=attempt)
            assert outcome.error is None, "its answer is a stream, which nobody asked for"
            tried -= outcome.attempts
        assert tried == 0
        assert outcome.attempts == 2


async def test_a_server_that_never_answers_is_not_asked_twice(open_endpoint: OpenEndpoint) -> None:
    with HangingUp(silent=10) as server:
        client = ModelClient(await open_endpoint(server.url, retry=RetryPolicy(max_retries=0)), "m")
        with pytest.raises(ModelError, match="the server closed the connection"):
            await client.complete([{"role": "user", "content": "Hi"}])
    assert server.requests == 1


async def test_what_was_never_sent_is_sent_again_and_counts_as_nothing(open_endpoint: OpenEndpoint) -> None:
    """However many kept connections are gone: nobody is told, no attempt is counted, nothing is asked for twice."""
    updates: list[CallUpdate] = []
    with HangingUp() as server:
        server.closes.clear()
        endpoint = await open_endpoint(server.url, retry=RetryPolicy(max_retries=0))
        client = ModelClient(endpoint, "m")

        async def ask() -> int:
            question = [{"role": "user", "content": "Hi"}]
            return (await client.complete(question, observer=updates.append)).attempts

        assert sum(await asyncio.gather(ask(), ask(), ask())) == 3
        server.closes.set()
        time.sleep(0.05)  # noqa: ASYNC251 - the client must not see the connections' end
        assert await ask() == 1
    assert server.requests == 4
    assert {update.kind for update in updates} == {"sent"}


async def test_what_is_gone() -> None:
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        assert is_gone(writer.transport), "closed by the other side"
        writer.close()
        assert is_gone(writer.transport), "closed by this one"
    assert is_gone(None)
