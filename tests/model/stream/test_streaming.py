"""Streamed calls over real connections, from a server that sends exact bytes in exact pieces."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from agentbatch.model.client import ModelClient
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures.retry import RetryPolicy
from agentbatch.model.reply import CallUpdate, ErrorKind, Message, ModelError
from tests.support.clocks import MovedClock
from tests.support.waiting import PATIENCE

OpenEndpoint = Callable[..., Awaitable[Endpoint]]

MESSAGES: list[Message] = [{"role": "user", "content": "Hi"}]
ONCE = RetryPolicy(max_retries=0)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
DONE = b"data: [DONE]\n\n"


def sse(*documents: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(d, ensure_ascii=False).encode() + b"\n\n" for d in documents)


def say(content: str, finish_reason: str | None = None) -> bytes:
    return sse({"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish_reason}]})


STOP = sse({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
USAGE = sse({"choices": [], "usage": {"prompt_tokens": 30, "completion_tokens": 8, "total_tokens": 38}})
WHOLE = json.dumps({"choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}]}).encode()


class Connection:
    """One request on a connection, to be answered byte by byte."""

    def __init__(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        self.body = body
        self._writer = writer
        self._chunked = False

    async def head(self, *, chunked: bool = True) -> None:
        """A 200 with an event stream: in HTTP chunks, or up to the end of the connection."""
        self._chunked = chunked
        await self.raw(
            HEAD + (b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Connection: close\r\n\r\n")
        )

    async def send(self, data: bytes) -> None:
        await self.raw(b"%x\r\n%s\r\n" % (len(data), data) if self._chunked else data)

    async def end(self) -> None:
        """The end of the body, in good order."""
        if self._chunked:
            await self.raw(b"0\r\n\r\n")
        else:
            self._writer.close()

    async def raw(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()
        await asyncio.sleep(0.001)  # one write, one packet

    def reset(self) -> None:
        """End the connection with a RST."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def close(self) -> None:
        self._writer.close()


Answering = Callable[[Connection], Awaitable[None]]


class RawServer:
    """Answers each request by the next handler, the last one again and again."""

    def __init__(self, *handlers: Answering) -> None:
        self._handlers = list(handlers)
        self.requests: list[dict[str, Any]] = []
        self.connections = 0
        self.ended = asyncio.Event()
        """A client hung up."""
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        first = await _first_byte(reader)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while first:
                head = (first + await reader.readuntil(b"\r\n\r\n")).lower()
                size = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
                body = json.loads(await reader.readexactly(size))
                self.requests.append(body)
                handler = self._handlers.pop(0) if len(self._handlers) > 1 else self._handlers[0]
                answering = asyncio.ensure_future(handler(Connection(body, writer)))
                following = asyncio.ensure_future(_first_byte(reader))
                await asyncio.wait({answering, following}, return_when=asyncio.FIRST_COMPLETED)
                if answering.done():
                    answering.result()
                first = await following
                answering.cancel()
        self.ended.set()
        writer.close()


async def _first_byte(reader: asyncio.StreamReader) -> bytes:
    """The first byte of the next request; empty when the client hung up."""
    try:
        return await reader.read(1)
    except ConnectionError:
        return b""


Start = Callable[..., Awaitable[RawServer]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    async with contextlib.AsyncExitStack() as stack:

        async def make(*handlers: Answering) -> RawServer:
            raw = RawServer(*handlers)
            server = await asyncio.start_server(raw.handle, "127.0.0.1", 0)
            stack.callback(server.close)
            raw.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            return raw

        yield make


def streaming(*pieces: bytes, chunked: bool = True) -> Answering:
    async def answer(connection: Connection) -> None:
        await connection.head(chunked=chunked)
        for piece in pieces:
            await connection.send(piece)
        await connection.end()

    return answer


def refusing(status: int, message: str, **fields: Any) -> Answering:
    async def answer(connection: Connection) -> None:
        body = json.dumps({"error": {"message": message, **fields}}).encode()
        await connection.raw(
            b"HTTP/1.1 %d No\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (status, len(body), body)
        )

    return answer


async def whole(connection: Connection) -> None:
    await connection.raw(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
        % (len(WHOLE), WHOLE)
    )


GOOD = streaming(say("Hello 世界"), STOP, USAGE, DONE)


async def failing(endpoint: Endpoint) -> ModelError:
    with pytest.raises(ModelError) as raised:
        await ModelClient(endpoint, "m").complete(MESSAGES)
    return raised.value


async def test_a_stream_is_asked_for_with_its_usage(start: Start, open_endpoint: OpenEndpoint) -> None:
    server = await start(GOOD)
    reply = await ModelClient(await open_endpoint(server.url), "m").complete(MESSAGES)
    assert (reply.content, reply.usage.input, reply.usage.output) == ("Hello 世界", 30, 8)
    assert not reply.usage.estimated
    assert server.requests == [
        {"model": "m", "messages": MESSAGES, "stream": True, "stream_options": {"include_usage": True}}
    ]


async def test_without_streaming_it_is_not(start: Start, open_endpoint: OpenEndpoint) -> None:
    server = await start(whole)
    reply = await ModelClient(await open_endpoint(server.url, stream=False), "m").complete(MESSAGES)
    assert reply.content == "whole"
    assert server.requests == [{"model": "m", "messages": MESSAGES}]


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("size", [1, 3, 64])
async def test_odd_pieces(start: Start, open_endpoint: OpenEndpoint, chunked: bool, size: int) -> None:
    body = b": OPENROUTER PROCESSING\r\n\r\n" + say("Hello ") + say("世界") + STOP + USAGE + DONE
    pieces = [body[n : n + size] for n in range(0, len(body), size)]
    server = await start(streaming(*pieces, chunked=chunked))
    reply = await ModelClient(await open_endpoint(server.url), "m").complete(MESSAGES)
    assert (reply.content, reply.attempts, reply.usage.estimated) == ("Hello 世界", 1, False)


async def test_missing_usage_is_counted_and_marked(start: Start, open_endpoint: OpenEndpoint) -> None:
    server = await start(streaming(say("four words are here"), STOP, DONE))
    reply = await ModelClient(await open_endpoint(server.url), "m").complete(MESSAGES)
    assert (reply.usage.estimated, reply.usage.output, reply.usage.calls) == (True, 5, 1)


async def test_a_connection_is_used_again(start: Start, open_endpoint: OpenEndpoint) -> None:
    server = await start(GOOD)
    client = ModelClient(await open_endpoint(server.url), "m")
    for _ in range(3):
        await client.complete(MESSAGES)
    assert server.connections == 1


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_connection_that_the_server_has_closed_is_no_failure(
    start: Start, open_endpoint: OpenEndpoint, how: str
) -> None:
    async def hang_up(connection: Connection) -> None:
        getattr(connection, how)()

    server = await start(GOOD, hang_up, GOOD, hang_up, hang_up, GOOD)
    client = ModelClient(await open_endpoint(server.url), "m")
    attempts = [(await client.complete(MESSAGES)).attempts for _ in range(3)]
    assert attempts == [1, 2, 3]  # the last one: at once, then as a retry
    assert len(server.requests) == sum(attempts)
    assert server.connections == 4


async def test_a_new_connection_that_the_server_closes_is_one(
    start: Start, open_endpoint: OpenEndpoint
) -> None:
    async def hang_up(connection: Connection) -> None:
        connection.close()

    server = await start(hang_up, GOOD)
    reply = await ModelClient(await open_endpoint(server.url), "m").complete(MESSAGES)
    assert (reply.attempts, len(server.requests)) == (2, 2)


async def test_a_whole_completion_in_answer_to_it_is_read(start: Start, open_endpoint: OpenEndpoint) -> None:
    server = await start(whole)
    endpoint = await open_endpoint(server.url)
    assert (await ModelClient(endpoint, "m").complete(MESSAGES)).content == "whole"
    assert endpoint.capabilities("m").stream, "nothing was refused"


async def cut(connection: Connection) -> None:
    await connection.head()
    await connection.send(say("Hello wor"))
    connection.close()


async def reset(connection: Connection) -> None:
    await connection.head()
    await connection.send(say("Hello wor"))
    connection.reset()


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (cut, "the answer broke off: "),
        (reset, "the answer broke off: "),
        (streaming(say("Hello wor")), "the answer broke off after 9 characters."),
        (streaming(say("Hello wor"), chunked=False), "the answer broke off after 9 characters."),
        (streaming(say("Hello wor") + b'data: {"choi', chunked=False), "the answer broke off after"),
        (
            streaming(say("Hello wor"), b"data: oops\n\n"),
            "a 200 that is a stream with a chunk that is not JSON",
        ),
        (streaming(b": keep-alive\n\n"), "a 200 that is a stream without choices"),
        (streaming(say("Hello wor", "error")), "gave up in the middle"),
        (
            streaming(say("Hello wor"), sse({"error": {"message": "Upstream died", "code": 502}})),
            "Upstream died",
        ),
    ],
)
async def test_a_cut_stream_is_tried_again(
    start: Start, open_endpoint: OpenEndpoint, handler: Answering, words: str
) -> None:
    server = await start(handler, GOOD)
    updates: list[CallUpdate] = []
    client = ModelClient(await open_endpoint(server.url), "m")
    reply = await client.complete(MESSAGES, observer=updates.append)
    assert (reply.content, reply.attempts) == ("Hello 世界", 2)
    (reason,) = [u.reason for u in updates if u.kind == "retrying"]
    assert words in reason


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        ({"message": "No quota", "code": "insufficient_quota"}, "endpoint", 429),
        ({"message": "This is too long", "code": "context_length_exceeded"}, "overflow", 400),
        ({"message": "Bad role", "type": "invalid_request_error"}, "request", 400),
        ({"message": "Slow down", "code": 429}, "rate", 429),
        ({"message": "It broke"}, "transient", 200),
    ],
)
async def test_an_error_inside_the_stream_fails_as_it_would_outside(
    start: Start, open_endpoint: OpenEndpoint, error: dict[str, Any], kind: ErrorKind, status: int
) -> None:
    server = await start(streaming(say("Hello"), sse({"error": error}), DONE))
    failed = await failing(await open_endpoint(server.url, retry=ONCE))
    assert (failed.kind, failed.status) == (kind, status)
    assert error["message"] in str(failed)


async def test_an_error_status_in_an_event_stream_is_read(start: Start, open_endpoint: OpenEndpoint) -> None:
    async def answer(connection: Connection) -> None:
        body = b"event: error\n" + sse({"error": {"message": "Too many", "code": "rate_limit_exceeded"}})
        await connection.raw(
            b"HTTP/1.1 429 No\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n%s"
            % (len(body), body)
        )

    server = await start(answer)
    failed = await failing(await open_endpoint(server.url, retry=ONCE))
    assert failed.kind == "rate"
    assert str(failed).endswith("answered 429 for model m: Too many.")


async def arrived() -> None:
    """What was sent is with the client, which runs in the same loop."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_silence_after_data_is_a_stall(start: Start, open_endpoint: OpenEndpoint) -> None:
    clock = MovedClock()

    async def stall(connection: Connection) -> None:
        await connection.head()
        await connection.send(say("Hel"))
        await arrived()
        clock.move_on(62)
        await asyncio.sleep(600)

    server = await start(stall, GOOD)
    updates: list[CallUpdate] = []
    client = ModelClient(await open_endpoint(server.url, request_timeout=60.0), "m")
    reply = await client.complete(MESSAGES, observer=updates.append)
    assert (reply.content, reply.attempts) == ("Hello 世界", 2)
    (reason,) = [u.reason for u in updates if u.kind == "retrying"]
    assert reason.endswith("for model m: no data for 60 s.")
    async with asyncio.timeout(PATIENCE):
        await server.ended.wait()


async def test_keep_alives_are_no_data(start: Start, open_endpoint: OpenEndpoint) -> None:
    sent, clock = 0, MovedClock()

    async def alive(connection: Connection) -> None:
        nonlocal sent
        await connection.head()
        while sent < 400:
            await connection.send(b": keep-alive\n\nevent: ping\ndata: {}\n\n")
            sent += 1
            await arrived()
            clock.move_on(1)

    server = await start(alive)
    failed = await failing(await open_endpoint(server.url, retry=ONCE, request_timeout=60.0))
    assert "no data for 60 s" in str(failed)
    assert 50 < sent < 100


async def test_a_long_answer_may_take_longer_than_the_timeout(
    start: Start, open_endpoint: OpenEndpoint
) -> None:
    clock = MovedClock()

    async def slow(connection: Connection) -> None:
        await connection.head()
        for _ in range(12):
            clock.move_on(20)
            await connection.send(say("x"))
            await arrived()
        await connection.send(STOP + DONE)
        await connection.end()

    server = await start(slow)
    reply = await ModelClient(await open_endpoint(server.url, request_timeout=60.0), "m").complete(MESSAGES)
    assert (reply.content, reply.attempts) == ("x" * 12, 1)


@pytest.mark.parametrize(("last", "timeout"), [(say("Hi", "stop"), 60.0), (say("Hi") + DONE, 500.0)])
async def test_a_connection_that_stays_open_after_the_end_holds_nobody_up(
    start: Start, open_endpoint: OpenEndpoint, last: bytes, timeout: float
) -> None:
    clock = MovedClock()

    async def open_end(connection: Connection) -> None:
        await connection.head()
        await connection.send(last)
        await arrived()
        clock.move_on(61)
        await asyncio.sleep(10_000)

    server = await start(open_end)
    client = ModelClient(await open_endpoint(server.url, request_timeout=timeout), "m")
    async with asyncio.timeout(1000):
        reply = await client.complete(MESSAGES)
    assert (reply.content, reply.attempts) == ("Hi", 1)


async def test_a_reset_after_the_end_is_no_failure(start: Start, open_endpoint: OpenEndpoint) -> None:
    async def answer(connection: Connection) -> None:
        await connection.head()
        await connection.send(say("Hi", "stop"))
        await asyncio.sleep(0.05)
        connection.close()

    server = await start(answer)
    reply = await ModelClient(await open_endpoint(server.url), "m").complete(MESSAGES)
    assert (reply.content, reply.attempts) == ("Hi", 1)


async def test_cancelling_closes_the_connection_at_once(start: Start, open_endpoint: OpenEndpoint) -> None:
    begun = asyncio.Event()

    async def endless(connection: Connection) -> None:
        await connection.head()
        while True:
            await connection.send(say("x"))
            begun.set()
            await asyncio.sleep(0.01)

    server = await start(endless)
    endpoint = await open_endpoint(server.url)
    call = asyncio.create_task(ModelClient(endpoint, "m").complete(MESSAGES))
    await begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    async with asyncio.timeout(PATIENCE):
        await server.ended.wait()
    assert endpoint.limits.active == 0


@pytest.mark.parametrize(
    ("piece", "limit"),
    [
        (b"data: " + b"x" * 1_000_000, 32),
        (b"x" * 1_000_000, 32),
        (b": " + b"x" * 1_000_000, 32),
        (say("x" * 1_000_000), 32),
        (b": " + b"x" * 4_000_000 + b"\n\n", 256),
    ],
)
async def test_a_flood_is_cut_off(
    start: Start, open_endpoint: OpenEndpoint, piece: bytes, limit: int
) -> None:
    sent = 0

    async def flood(connection: Connection) -> None:
        nonlocal sent
        await connection.head()
        while sent < 4 * limit * 1_000_000:
            await connection.send(piece)
            sent += len(piece)

    server = await start(flood)
    failed = await failing(await open_endpoint(server.url, retry=ONCE))
    assert failed.kind == "transient"
    assert f"{limit} MB" in str(failed)
    assert sent < 3 * limit * 1_000_000


@pytest.mark.slow
async def test_progress_is_told_now_and_then(start: Start, open_endpoint: OpenEndpoint) -> None:
    async def slow(connection: Connection) -> None:
        await connection.head()
        for _ in range(60):
            await asyncio.sleep(0.04)
            await connection.send(say("word"))
        await connection.send(STOP + DONE)
        await connection.end()

    server = await start(slow)
    updates: list[CallUpdate] = []
    client = ModelClient(await open_endpoint(server.url), "m")
    reply = await client.complete(MESSAGES, observer=updates.append)
    told = [u for u in updates if u.kind == "generating"]
    assert 1 <= len(told) <= (reply.latency - 1.0) / 0.5 + 1
    assert told[0].seconds >= 1.0
    assert [u.tokens for u in told] == sorted(u.tokens for u in told)
    assert 0 < told[-1].tokens <= 60
    assert {u.attempt for u in told} == {1}


REFUSALS = [
    (refusing(400, "Unknown parameter: 'stream_options'.", param="stream_options"), "stream_usage"),
    (refusing(422, '[{"type":"extra_forbidden","loc":["body","stream_options"]}]'), "stream_usage"),
    (refusing(400, "Unsupported value: 'stream' does not support true.", param="stream"), "stream"),
    (refusing(400, "Your organization must be verified to stream this model.", param="stream"), "stream"),
    (refusing(500, "Cannot use tools with stream"), "stream"),
    (refusing(400, "response_format does not support streaming"), "stream"),
]


@pytest.mark.parametrize(("refusal", "lost"), REFUSALS)
async def test_what_is_refused_is_left_out_from_then_on(
    start: Start, open_endpoint: OpenEndpoint, refusal: Answering, lost: str
) -> None:
    server = await start(refusal, GOOD if lost == "stream_usage" else whole)
    endpoint = await open_endpoint(server.url, retry=ONCE)
    client = ModelClient(endpoint, "m")
    assert (await client.complete(MESSAGES)).attempts == 2
    assert (await client.complete(MESSAGES)).attempts == 1
    gone = {"stream_options"} if lost == "stream_usage" else {"stream_options", "stream"}
    assert set(server.requests[0]) - set(server.requests[1]) == gone
    assert server.requests[2] == server.requests[1]
    assert not getattr(endpoint.capabilities("m"), lost)


async def test_an_endpoint_that_only_streams_gets_a_stream_back_once(
    start: Start, open_endpoint: OpenEndpoint
) -> None:
    no = refusing(400, "'stream' is not supported with response_format", param="stream")
    must = refusing(400, "This model only support stream mode, please enable the stream parameter.")
    server = await start(no, must, GOOD)
    client = ModelClient(await open_endpoint(server.url, retry=ONCE), "m")
    assert (await client.complete(MESSAGES)).attempts == 3
    assert (await client.complete(MESSAGES)).attempts == 1
    assert [r.get("stream") for r in server.requests] == [True, None, True, True]
    # An endpoint that refuses both ways is not asked for ever.
    server = await start(no, must, no, must)
    failed = await failing(await open_endpoint(server.url, retry=ONCE))
    assert (failed.kind, failed.attempts) == ("request", 3)
