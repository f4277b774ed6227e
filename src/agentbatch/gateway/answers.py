"""What an agent is given: a document, an error, or a stream."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiohttp import web

from agentbatch.gateway.apis.api import Api
from agentbatch.model.request.request import encode_body
from agentbatch.spending.billing import AbandonedError

TAKEN_WITHIN = 60.0
"""Seconds that an agent may leave a part of an answer unread: its call holds a place at the endpoint."""

QUIET = 60.0
"""Seconds after which a stream that has to wait shows that it is there. HTTP clients give up on one that says nothing
for some minutes (Node's for 300 s); a pause or a quota takes hours."""

WAITING = b": waiting\n\n"
"""A comment, which means nothing."""


def document(status: int, body: Mapping[str, Any]) -> web.Response:
    return web.Response(body=encode_body(dict(body)), status=status, content_type="application/json")


def error(api: Api, status: int, message: str) -> web.Response:
    return document(status, api.error(status, message))


class Stream:
    """A streamed answer to an agent: it begins with the first byte of it."""

    def __init__(self, request: web.BaseRequest) -> None:
        self.response: web.StreamResponse | None = None
        self._request = request
        self._writing = asyncio.Lock()
        self._answered = False

    async def write(self, data: bytes) -> None:
        """Of the answer. Raises AbandonedError when the agent is gone, or does not read what it was given."""
        self._answered = True
        await self._write(data)

    @contextlib.asynccontextmanager
    async def kept_open(self) -> AsyncIterator[None]:
        """While its answer is waited for, a comment shows now and then that it will come."""
        showing = asyncio.ensure_future(self._show())
        try:
            yield
        finally:
            showing.cancel()

    async def failed(self, api: Api, status: int, message: str) -> web.StreamResponse:
        """The answer is an error: in its place, or at the end of what was sent of it."""
        if self.response is None:
            return error(api, status, message)
        with contextlib.suppress(AbandonedError):
            await self._write(api.error_event(message))
        return await self.ended()

    async def ended(self) -> web.StreamResponse:
        """The response, after its last byte."""
        assert self.response is not None
        with contextlib.suppress(OSError):
            async with asyncio.timeout(TAKEN_WITHIN):
                await self.response.write_eof()
        return self.response

    async def _show(self) -> None:
        with contextlib.suppress(AbandonedError):
            while True:
                await asyncio.sleep(QUIET)
                if self._answered:
                    return
                await self._write(WAITING)

    async def _write(self, data: bytes) -> None:
        try:
            async with self._writing, asyncio.timeout(TAKEN_WITHIN):
                if self.response is None:
                    headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
                    self.response = web.StreamResponse(headers=headers)
                    await self.response.prepare(self._request)
                await self.response.write(data)
        except OSError:  # a timeout is one
            raise AbandonedError from None
