"""The web server of the dashboard: routes, access control before all of them, and a clean shutdown."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from agentbatch.config.settings import secret_variables
from agentbatch.dashboard.access import WRONG_TOKEN, Access, RequestHeaders
from agentbatch.dashboard.packets import ProtocolError, parse_size
from agentbatch.dashboard.page_files import HEADERS, page_files, page_text
from agentbatch.dashboard.plain import Pages
from agentbatch.dashboard.served_app import ServedApp
from agentbatch.dashboard.served_environment import served_environment
from agentbatch.dashboard.tab import close_tab, relay
from agentbatch.errors import UserError

MAX_TABS = 20
"""Each is a process of about 60 MB."""
MAX_MESSAGE = 1024**2
"""Bytes of one message from the browser: a long paste."""
HEARTBEAT = 15.0
"""Seconds between two checks that a browser is still connected (a laptop may be asleep)."""
SHUTDOWN_TIMEOUT = 12.0
"""Seconds for all tabs to end: more than one takes at worst."""

END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class TabApp:
    """The app that is started for every tab."""

    argv: Sequence[str]
    """A Textual app; the first word is the path of a program."""
    cwd: Path
    environ: Mapping[str, str]
    """An app gets the allowed part of it."""
    title: str
    """The page's."""
    plain: Pages | None = None
    """The run without the app; None: the app shows something else."""
    max_tabs: int = MAX_TABS


class DashboardServer:
    """Serves an app to browsers with access."""

    def __init__(self, served: TabApp, access: Access) -> None:
        self._served = served
        self._access = access
        self._files = page_files()
        self._tabs = 0
        self._ending = asyncio.Event()

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        app.add_routes(
            [
                web.get("/", self._page, allow_head=False),
                web.get("/plain", self._plain, allow_head=False),
                web.get("/plain/{task}", self._plain, allow_head=False),
                web.get("/static/{name}", self._file, allow_head=False),
                web.get("/ws", self._tab, allow_head=False),
            ]
        )
        app.on_response_prepare.append(_add_headers)
        app.on_shutdown.append(self._shut_down)
        return app

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        headers = _headers_of(request, self._access.cookie_name)
        if request.method == "GET" and request.path == "/" and "token" in request.query:
            return self._exchange_token(request, headers)
        refused = self._access.refusal(headers)
        if refused is not None:
            return _sentence(403, refused)
        try:
            return await handler(request)
        except web.HTTPNotFound:
            return _sentence(404, "There is nothing at this address. The dashboard is at /.")

    def _exchange_token(self, request: web.Request, headers: RequestHeaders) -> web.Response:
        """Exchange the token for the cookie, and remove it from the address bar."""
        foreign = self._access.foreign_host(headers)
        if foreign is not None:
            return _sentence(403, foreign)
        if not self._access.token_is_valid(request.query["token"]):
            return _sentence(403, WRONG_TOKEN)
        response = web.Response(status=303, headers={"Location": "/"})
        response.set_cookie(
            self._access.cookie_name, self._access.cookie, httponly=True, samesite="Strict", path="/"
        )
        return response

    async def _page(self, request: web.Request) -> web.Response:
        if request.query_string:  # textual.js would obey it
            return web.Response(status=303, headers={"Location": "/"})
        text = page_text(self._served.title, request.headers["Host"])
        return web.Response(text=text, content_type="text/html", charset="utf-8")

    async def _plain(self, request: web.Request) -> web.StreamResponse:
        if self._served.plain is None:
            raise web.HTTPNotFound
        try:
            text = await asyncio.to_thread(self._served.plain, request.match_info.get("task", ""))
        except UserError as error:
            return _sentence(500, str(error))
        if text is None:
            return _sentence(404, "The run has no such task. /plain lists its tasks.")
        return web.Response(text=text, content_type="text/html", charset="utf-8")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        file = self._files.get(request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound
        return web.FileResponse(file.path, headers={"Content-Type": file.content_type})

    async def _tab(self, request: web.Request) -> web.StreamResponse:
        try:
            size = parse_size(request.query.get("width"), request.query.get("height"))
        except ProtocolError as error:
            return _sentence(400, f"The browser sent no valid window size: {error}.")
        # No compression: the connection is local, or through ssh, which does it better.
        page = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=MAX_MESSAGE, compress=False)
        if not page.can_prepare(request):
            return _sentence(400, "This address is for the page's WebSocket. The dashboard is at /.")
        await page.prepare(request)
        if self._tabs >= self._served.max_tabs:
            await close_tab(page, f"{self._tabs} tabs are open, which is the maximum. Close one first.")
            return page
        self._tabs += 1
        try:
            environment = served_environment(self._served.environ, secret_variables(), size)
            await self._serve(page, environment)
        finally:
            self._tabs -= 1
        return page

    async def _serve(self, page: web.WebSocketResponse, environment: Mapping[str, str]) -> None:
        try:
            app = await ServedApp.start(self._served.argv, self._served.cwd, environment)
        except OSError as error:
            await close_tab(page, f"The view cannot be started: {error.strerror or error}.")
            return
        try:
            await relay(page, app, self._ending)
        finally:
            await app.end()

    async def _shut_down(self, app: web.Application) -> None:
        self._ending.set()


async def serve(served: TabApp, access: Access, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Serve on a listening socket until SIGINT, SIGTERM or SIGHUP; returns when no process of a tab is left.

    `ready` is called when browsers can connect. Run this in the main thread, which receives the signals.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in END_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            loop.add_signal_handler(number, stop.set)
    # The access log would contain the token.
    runner = web.AppRunner(
        DashboardServer(served, access).application(), access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT
    )
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        ready()
        await stop.wait()
    finally:
        await runner.cleanup()


def _headers_of(request: web.Request, cookie_name: str) -> RequestHeaders:
    transport = request.transport
    address = transport.get_extra_info("sockname") if transport is not None else None
    return RequestHeaders(
        method=request.method,
        hosts=request.headers.getall("Host", []),
        origins=request.headers.getall("Origin", []),
        cookie=request.cookies.get(cookie_name),
        upgrade=request.path == "/ws" or "Upgrade" in request.headers,
        # A socket for IPv4 and IPv6 shows IPv4 addresses as IPv6.
        arrived_at=str(address[0]).removeprefix("::ffff:") if address else "",
    )


def _sentence(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text + "\n")


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
