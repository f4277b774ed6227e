"""A server that is reached by streamable HTTP, as the protocol's package takes one: from the engine, with headers that
stay here. What it answers is bounded, and nothing is heard of it between two calls. The package follows redirects
within the address's own origin alone.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import httpx2
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCRequest, JSONRPCResponse

from agentbatch.files import json_weight
from agentbatch.text import clip

MAX_RECEIVED = 4 << 20
"""Bytes of one answer."""
MAX_WEIGHT = 64 << 20
"""Bytes of memory that one answer may take once it is read."""
MAX_ASKED = 20
"""Requests of the server's that are answered, with a refusal; more are not heard."""
LEAVE = 2.0
"""Seconds that a server gets to hear that its session is over."""
CONNECT = 20.0
"""Seconds for a connection; for an answer, each call has its own."""


class HttpStreams:
    """`problem`: why it cannot be spoken with, once it is known; a sentence."""

    def __init__(self, url: str, headers: Mapping[str, str], *, sse: bool) -> None:
        """`sse`: the older way, whose answers all come in one stream."""
        self._url = url
        self._headers = headers
        self._sse = sse
        self.problem = ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[tuple[MemoryObjectReceiveStream[Any], Any]]:
        """What the package calls a transport."""
        async with self._streams() as (incoming, outgoing):
            heard, answers = anyio.create_memory_object_stream[Any](0)
            async with anyio.create_task_group() as pumps, heard, answers:
                pumps.start_soon(_answers, incoming, heard)
                try:
                    yield answers, outgoing
                finally:
                    pumps.cancel_scope.cancel()

    @asynccontextmanager
    async def _streams(self) -> AsyncIterator[tuple[Any, Any]]:
        client = _Client(self._headers, self._tell, hears=self._sse, trust=_trust(self._url))
        if self._sse:
            async with sse_client(self._url, httpx_client_factory=lambda *_, **__: client) as streams:
                yield streams
        else:
            async with (
                client,
                streamable_http_client(
                    self._url, http_client=client, max_sse_event_size=MAX_RECEIVED
                ) as streams,
            ):
                yield streams

    def _tell(self, problem: str) -> None:
        self.problem = problem


async def _answers(incoming: Any, heard: MemoryObjectSendStream[Any]) -> None:
    """What was asked for, and little besides."""
    asked = 0
    async with heard:
        async for one in incoming:
            message = one.message if isinstance(one, SessionMessage) else None
            if isinstance(message, JSONRPCRequest):
                asked += 1
            if isinstance(message, JSONRPCResponse | JSONRPCError) or (
                isinstance(message, JSONRPCRequest) and asked <= MAX_ASKED
            ):
                await heard.send(one)


def _trust(url: str) -> ssl.SSLContext:
    """To read the system's certificates takes 30 ms, for https alone; without them nobody is trusted."""
    return (
        httpx2.create_ssl_context() if url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    )


class _Client(httpx2.AsyncClient):
    def __init__(
        self, headers: Mapping[str, str], tell: Callable[[str], None], *, hears: bool, trust: ssl.SSLContext
    ) -> None:
        """`hears`: what it tells unasked is listened to."""
        super().__init__(
            headers={**headers, "Accept-Encoding": "identity"},
            timeout=httpx2.Timeout(None, connect=CONNECT),
            follow_redirects=False,
            verify=trust,
        )
        self._tell = tell
        self._hears = hears
        self._received = self._weight = 0

    async def send(self, request: httpx2.Request, **more: Any) -> httpx2.Response:
        if request.method == "GET" and not self._hears:
            return httpx2.Response(405, request=request)
        if request.method == "DELETE":
            return await self._left(request)
        self._received = self._weight = 0
        try:
            response = await super().send(request, **more)
        except httpx2.HTTPError as error:
            self._tell(f"It cannot be reached: {clip(str(error) or type(error).__name__, 300)}.")
            raise
        self._tell(f"It answered with HTTP {response.status_code}." if response.status_code >= 300 else "")
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            await response.aclose()
            self._tell(
                f"It sent an answer that is packed ({clip(encoding, 40)}), which it was not asked for."
            )
            raise httpx2.DecodingError("packed", request=request)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Bounded(response.stream, self._take)
        return response

    def _take(self, data: bytes) -> None:
        self._received += len(data)
        self._weight += json_weight(data)
        if self._received > MAX_RECEIVED:
            self._tell(f"It sent an answer of more than {MAX_RECEIVED >> 20} MB.")
            raise httpx2.ReadError("too large")
        if self._weight > MAX_WEIGHT:
            self._tell("It sent an answer that would take too much memory.")
            raise httpx2.ReadError("too heavy")

    async def _left(self, request: httpx2.Request) -> httpx2.Response:
        """The end of a session, which nobody waits for."""
        with suppress(TimeoutError, httpx2.HTTPError):
            async with asyncio.timeout(LEAVE):
                response = await super().send(request, stream=True)
                await response.aclose()
        return httpx2.Response(200, request=request)


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, take: Callable[[bytes], None]) -> None:
        self._stream = stream
        self._take = take

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for data in self._stream:
            self._take(data)
            yield data

    async def aclose(self) -> None:
        await self._stream.aclose()
