"""One browser tab: keys down to its app, its screen up to the browser, until one of them goes."""

import asyncio
import json
from contextlib import aclosing

from aiohttp import WSCloseCode, WSMsgType, web

from agentbatch.dashboard.packets import GarbledError, from_browser
from agentbatch.dashboard.served_app import ServedApp

GOODBYE = "The dashboard has ended. Start it again with `agentbatch dashboard`, and open the address that it prints."
DEAF = "The view does not take keys any more."
NOT_UNDERSTOOD = "The view wrote something that is not its screen, and was ended."


async def talk(socket: web.WebSocketResponse, app: ServedApp, ending: asyncio.Event) -> None:
    """Pass everything on until the tab is closed, the app ends, or the server does (`ending`); then say why, where
    somebody is left to read it."""
    up = asyncio.ensure_future(_screen_up(socket, app))
    down = asyncio.ensure_future(_keys_down(socket, app))
    over = asyncio.ensure_future(ending.wait())
    try:
        await asyncio.wait({up, down, over}, return_when=asyncio.FIRST_COMPLETED)
        if over.done():
            reason: str | None = GOODBYE
        elif up.done():
            reason = up.result()
        else:
            reason = down.result()
    finally:
        for task in (up, down, over):
            task.cancel()
        await asyncio.wait({up, down, over})
    if reason is not None:
        await say_goodbye(socket, reason)


async def say_goodbye(socket: web.WebSocketResponse, reason: str) -> None:
    """Tell the page why nothing comes any more, and close."""
    try:
        await socket.send_str(json.dumps(["ended", reason]))
        await socket.close(code=WSCloseCode.GOING_AWAY)
    except ConnectionError:
        pass  # it has gone as well


async def _screen_up(socket: web.WebSocketResponse, app: ServedApp) -> str | None:
    """Returns what became of the app; None: the browser has gone first."""
    try:
        async with aclosing(app.screen()) as screen:
            async for data in screen:
                await socket.send_bytes(data)
    except GarbledError:
        return NOT_UNDERSTOOD
    except ConnectionError:
        return None
    return await app.leave()


async def _keys_down(socket: web.WebSocketResponse, app: ServedApp) -> str | None:
    """Returns why the tab must be closed; None: the browser has closed it."""
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            return "The page sent something that is no text."
        try:
            packet = from_browser(message.data)
        except GarbledError as error:
            return f"The page sent something that is not understood: {error}."
        if packet is not None and not app.send_input(packet):
            return DEAF
    return None
