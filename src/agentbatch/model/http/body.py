"""A request's body, which knows whether anything of its request was sent."""

import asyncio
import select

import aiohttp
from aiohttp.abc import AbstractStreamWriter

_GONE = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)
"""The other side has closed its end (the last: Linux alone), which asyncio has not read yet."""


class Body(aiohttp.BytesPayload):
    """aiohttp sends a request's head together with its body. On a connection that is gone neither is: it fails instead,
    as it does where aiohttp sees that itself."""

    sent = False

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        if is_gone(getattr(writer, "transport", None)):
            raise aiohttp.ClientConnectionResetError("the connection was closed before the request was sent")
        self.sent = True
        await super().write_with_length(writer, content_length)


def is_gone(transport: asyncio.WriteTransport | None) -> bool:
    """What is written to it arrives nowhere."""
    if transport is None or transport.is_closing():
        return True
    socket = transport.get_extra_info("socket")
    if socket is None or socket.fileno() < 0:
        return socket is not None
    state = select.poll()
    state.register(socket.fileno(), _GONE)
    return bool(state.poll(0))
