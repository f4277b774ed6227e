"""A server that is reached by streamable HTTP, as the protocol's package takes one: from the engine, with headers that
stay here. What it answers is bounded, and nothing is heard of it between two calls. The package follows redirects
within the address's own origin alone.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import httpx2
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCRequest, JSONRPCResponse

from agentbatch.text import clip

MAX_RECEIVED = 4 << 20
"""Bytes of one answer."""
MAX_ASKED = 20
"""Requests of the server's that are answered, with a refusal; more are not heard."""
LEAVE = 2.0
"""Seconds that a server gets to hear that its session is over."""
CONNECT = 20.0
"""Seconds for a connection; for an answer, each call has its own."""


class HttpStreams:
    """`problem`: why it cannot be spoken with, once it is known; a sentence."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url = url
        self._headers = headers
        self.problem = ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[tuple[MemoryObjectReceiveStream[Any], Any]]:
        """What the package calls a transport."""
        client = _Client(self._headers, self._tell)
        async with (
            client,
            streamable_http_client(self._url, http_client=client, max_sse_event_size=MAX_RECEIVED) as (
                incoming,
                outgoing,
            ),
        ):
            heard, answers = anyio.create_memory_object_stream[Any](0)
            async with anyio.create_task_group() as pumps, heard, answers:
                pumps.start_soon(_answers, incoming, heard)
                try:
                    yield answers, outgoing
                finally:
                    pumps.cancel_scope.cancel()

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


class _Client(httpx2.AsyncClient):
    def __init__(self, headers: Mapping[str, str], tell: Callable[[str], None]) -> None:
        super().__init__(
            headers={**headers, "Accept-Encoding": "identity"},
            timeout=httpx2.Timeout(None, connect=CONNECT),
            follow_redirects=False,
        )
        self._tell = tell

    async def send(self, request: httpx2.Request, **more: Any) -> httpx2.Response:
        if request.method == "GET":  # what it would tell unasked, nobody listens to
            return httpx2.Response(405, request=request)
        if request.method == "DELETE":
            return await self._left(request)
        try:
            response = await super().send(request, **more)
        except httpx2.HTTPError as error:
            self._tell(f"It cannot be reached: {clip(str(error) or type(error).__name__, 300)}.")
            raise
        self._tell("")
        if response.status_code >= 400:
            self._tell(f"It answered with HTTP {response.status_code}.")
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            await response.aclose()
            self._tell(
                f"It sent an answer that is packed ({clip(encoding, 40)}), which it was not asked for."
            )
            raise httpx2.DecodingError("packed", request=request)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Bounded(response.stream, self._tell)
        return response

    async def _left(self, request: httpx2.Request) -> httpx2.Response:
        """The end of a session, which nobody waits for."""
        with suppress(TimeoutError, httpx2.HTTPError):
            async with asyncio.timeout(LEAVE):
                response = await super().send(request, stream=True)
                await response.aclose()
        return httpx2.Response(200, request=request)


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, tell: Callable[[str], None]) -> None:
        self._stream = stream
        self._tell = tell

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for data in self._stream:
            size += len(data)
            if size > MAX_RECEIVED:
                self._tell(f"It sent an answer of more than {MAX_RECEIVED >> 20} MB.")
                raise httpx2.ReadError("too large")
            yield data

    async def aclose(self) -> None:
        await self._stream.aclose()
