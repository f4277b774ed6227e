"""A browser's manners over plain HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from tests.dashboard.served import Running
from tests.support.waiting import PATIENCE


@asynccontextmanager
async def stranger() -> AsyncIterator[aiohttp.ClientSession]:
    """A client without a cookie. The jar is unsafe: it accepts cookies from numeric addresses."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield session


@asynccontextmanager
async def visitor(dashboard: Running) -> AsyncIterator[aiohttp.ClientSession]:
    """Has shown the token."""
    async with stranger() as session:
        async with session.get(dashboard.address) as answer:
            assert (answer.status, str(answer.url)) == (200, f"{dashboard.origin}/")
        yield session


async def open_tab(
    session: aiohttp.ClientSession, dashboard: Running, columns: object = 80
) -> aiohttp.ClientWebSocketResponse:
    address = f"{dashboard.origin}/ws?width={columns}&height=24"
    return await session.ws_connect(address, origin=dashboard.origin)


async def open_when_free(
    session: aiohttp.ClientSession, dashboard: Running, text: str
) -> aiohttp.ClientWebSocketResponse:
    """A tab whose app has written `text`, tried again while all places are taken."""
    async with asyncio.timeout(PATIENCE):
        while True:
            tab, screen = await open_tab(session, dashboard), b""
            async for message in tab:
                if message.type is not aiohttp.WSMsgType.BINARY:
                    break
                screen += message.data
                if text.encode() in screen:
                    return tab
            await tab.close()
            await asyncio.sleep(0.05)


async def shown(tab: aiohttp.ClientWebSocketResponse, text: str) -> None:
    """Read until the app has written `text`."""
    screen = b""
    async with asyncio.timeout(PATIENCE):
        async for message in tab:
            assert message.type is aiohttp.WSMsgType.BINARY, message
            screen += message.data
            if text.encode() in screen:
                return
    raise AssertionError(f"closed before {text!r}: {screen!r}")


async def goodbye(tab: aiohttp.ClientWebSocketResponse) -> str:
    """What the tab is told before it is closed."""
    async with asyncio.timeout(PATIENCE):
        sentences = [message.json() async for message in tab if message.type is aiohttp.WSMsgType.TEXT]
    ((word, sentence),) = sentences
    assert word == "ended"
    return str(sentence)
