"""One browser tab: input goes to its app and output to the browser, until one of them ends."""

import asyncio
import json
from contextlib import aclosing

from aiohttp import WSCloseCode, WSMsgType, web

from agentbatch.dashboard.packets import ProtocolError, from_browser
from agentbatch.dashboard.served_app import ServedApp

STOPPED = "The dashboard has stopped. Start it again with `agentbatch dashboard`, and open the address that it prints."
NOT_READING = "The view no longer accepts input."
INVALID_OUTPUT = "The view wrote something other than terminal output, and was ended."


async def relay(socket: web.WebSocketResponse, app: ServedApp, ending: asyncio.Event) -> None:
    """Relay until the tab is closed, the app ends, or the server stops (`ending`); then show the reason in the page if
    it is still open."""
    up = asyncio.ensure_future(_send_output(socket, app))
    down = asyncio.ensure_future(_receive_input(socket, app))
    over = asyncio.ensure_future(ending.wait())
    try:
        await asyncio.wait({up, down, over}, return_when=asyncio.FIRST_COMPLETED)
        if over.done():
            reason: str | None = STOPPED
        elif up.done():
            reason = up.result()
        else:
            reason = down.result()
    finally:
        for task in (up, down, over):
            task.cancel()
        await asyncio.wait({up, down, over})
    if reason is not None:
        await close_tab(socket, reason)


async def close_tab(socket: web.WebSocketResponse, reason: str) -> None:
    """Send the page the reason, and close the connection."""
    try:
        await socket.send_str(json.dumps(["ended", reason]))
        await socket.close(code=WSCloseCode.GOING_AWAY)
    except ConnectionError:
        pass  # it has closed, too


async def _send_output(socket: web.WebSocketResponse, app: ServedApp) -> str | None:
    """Returns how the app ended; None: the browser closed first."""
    try:
        async with aclosing(app.output()) as output:
            async for data in output:
                await socket.send_bytes(data)
    except ProtocolError:
        return INVALID_OUTPUT
    except ConnectionError:
        return None
    return await app.wait_for_exit()


async def _receive_input(socket: web.WebSocketResponse, app: ServedApp) -> str | None:
    """Returns why the tab must be closed; None: the browser closed it."""
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            return "The page sent an invalid message: it is not text."
        try:
            packet = from_browser(message.data)
        except ProtocolError as error:
            return f"The page sent an invalid message: {error}."
        if packet is not None and not app.send_input(packet):
            return NOT_READING
    return None
