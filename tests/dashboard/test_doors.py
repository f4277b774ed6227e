"""Who gets in, asked of a running server."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from agentbatch.dashboard.access import FOREIGN_HOST, FOREIGN_ORIGIN, NO_COOKIE, WRONG_TOKEN
from tests.dashboard.served import Running, gone, running, small_dashboard
from tests.dashboard.visitor import goodbye, open_tab, open_when_free, shown, stranger, visitor

ROUTES = [
    "/",
    "/ws?width=80&height=24",
    "/plain",
    "/plain/1",
    "/static/textual.js",
    "/static/page.js",
    "/static/",
    "/download/x",
    "/nothing",
]


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(small_dashboard(), tmp_path_factory.mktemp("run")) as running_one:
        yield running_one


async def test_the_token_becomes_a_cookie_and_leaves_the_address(dashboard: Running) -> None:
    async with stranger() as session, session.get(dashboard.address, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/")
        ((name, cookie),) = answer.cookies.items()
        assert name.startswith("agentbatch_")
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/")
        assert not cookie["max-age"]
        assert not cookie["expires"]
        assert dashboard.address.query["token"] not in cookie.value
        assert cookie.value not in str(dashboard.address)


@pytest.mark.parametrize("route", ROUTES)
async def test_every_route_asks_for_the_cookie(dashboard: Running, route: str) -> None:
    headers = {"Origin": dashboard.origin}
    async with stranger() as session:
        async with session.get(dashboard.origin + route, headers=headers) as answer:
            assert (answer.status, await answer.text()) == (403, NO_COOKIE + "\n")
        async with session.post(dashboard.origin + route, headers=headers) as answer:
            assert answer.status == 403
    async with (
        visitor(dashboard) as session,
        session.get(dashboard.origin + route, headers=headers) as answer,
    ):
        assert answer.status != 403


@pytest.mark.parametrize("token", ["", "x", "%FF", "%00", "%C3%A9"])
async def test_a_wrong_token(dashboard: Running, token: str) -> None:
    address = URL(f"{dashboard.origin}/?token={token}", encoded=True)
    async with visitor(dashboard) as session, session.get(address) as answer:
        assert (answer.status, await answer.text()) == (403, WRONG_TOKEN + "\n")
        assert not answer.cookies


@pytest.mark.parametrize("route", [*ROUTES, "/?token=TOKEN"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.nip.io", "evil.example:80"])
async def test_a_foreign_host(dashboard: Running, route: str, host: str) -> None:
    route = route.replace("TOKEN", dashboard.address.query["token"])
    headers = {"Host": host, "Origin": f"http://{host}"}
    async with (
        visitor(dashboard) as session,
        session.get(dashboard.origin + route, headers=headers) as answer,
    ):
        assert (answer.status, await answer.text()) == (403, FOREIGN_HOST + "\n")
        assert not answer.cookies


async def test_no_host_at_all(dashboard: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", dashboard.address.port)
    writer.write(f"GET /?token={dashboard.address.query['token']} HTTP/1.0\r\n\r\n".encode())
    assert b" 403 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "http://127.0.0.1:1", "https://127.0.0.1"]
)
async def test_a_foreign_origin_on_the_websocket(dashboard: Running, origin: str | None) -> None:
    async with visitor(dashboard) as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as error:
            await session.ws_connect(f"{dashboard.origin}/ws?width=80&height=24", origin=origin)
        assert error.value.status == 403
        async with session.post(dashboard.origin, headers={"Origin": origin} if origin else {}) as answer:
            assert (answer.status, await answer.text()) == (403, FOREIGN_ORIGIN + "\n")
    assert not dashboard.processes()


async def test_a_websocket_without_a_cookie(dashboard: Running) -> None:
    async with stranger() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as error:
            await open_tab(session, dashboard)
        assert error.value.status == 403
    assert not dashboard.processes()


@pytest.mark.parametrize("columns", ["", "0", "-1", "NaN", "80;id", "1e9", "9" * 5000])
async def test_a_window_without_a_size(dashboard: Running, columns: str) -> None:
    async with visitor(dashboard) as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as error:
            await open_tab(session, dashboard, columns)
        assert error.value.status == 400
    assert not dashboard.processes()


async def test_the_largest_window(dashboard: Running) -> None:
    async with visitor(dashboard) as session, await open_tab(session, dashboard, 999999999) as tab:
        await shown(tab, "size 1000x24")
    assert await gone(dashboard)


async def test_through_a_forwarded_port(dashboard: Running) -> None:
    """`ssh -L 8000:127.0.0.1:3008`: the browser knows us by another port, and the page has to name it."""
    headers = {"Host": "localhost:8000", "Origin": "http://localhost:8000"}
    async with visitor(dashboard) as session:
        cookies = {c.key: c.value for c in session.cookie_jar}
        async with session.get(dashboard.origin, headers=headers, cookies=cookies) as answer:
            assert 'data-session-websocket-url="ws://localhost:8000/ws"' in await answer.text()
        address = f"{dashboard.origin}/ws?width=80&height=24"
        async with session.ws_connect(address, headers=headers) as tab:
            await shown(tab, "hello from the app")
    assert await gone(dashboard)


async def test_nothing_comes_from_elsewhere_and_nobody_frames_it(dashboard: Running) -> None:
    async with visitor(dashboard) as session:
        async with session.get(dashboard.origin) as answer:
            page = await answer.text()
            policy = answer.headers["Content-Security-Policy"]
        assert "http:" not in page
        assert "https:" not in page
        assert "<title>Small &lt;app&gt;</title>" in page
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        for route in ("/", "/static/textual.js", "/nothing"):
            async with session.get(dashboard.origin + route) as answer:
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Referrer-Policy"] == "no-referrer"
                assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("textual.js", "text/javascript; charset=utf-8"),
        ("page.js", "text/javascript; charset=utf-8"),
        ("xterm.css", "text/css; charset=utf-8"),
        ("page.css", "text/css; charset=utf-8"),
        ("mono.ttf", "font/ttf"),
        ("mono-italic.ttf", "font/ttf"),
        ("icon.svg", "image/svg+xml"),
    ],
)
async def test_the_page_has_its_files(dashboard: Running, name: str, kind: str) -> None:
    async with visitor(dashboard) as session, session.get(f"{dashboard.origin}/static/{name}") as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, kind)


@pytest.mark.parametrize(
    "route", ["/static/../server.py", "/static/..%2fserver.py", "/static/", "/static/%00", "/download/x"]
)
async def test_no_other_file_is_served(dashboard: Running, route: str) -> None:
    async with (
        visitor(dashboard) as session,
        session.get(URL(dashboard.origin + route, encoded=True)) as answer,
    ):
        assert answer.status == 404


async def test_orders_in_the_address_are_taken_out(dashboard: Running) -> None:
    """textual.js would fetch the address in `ping`."""
    async with (
        visitor(dashboard) as session,
        session.get(f"{dashboard.origin}/?ping=http://evil.example", allow_redirects=False) as answer,
    ):
        assert (answer.status, answer.headers["Location"]) == (303, "/")


@pytest.mark.slow
async def test_so_many_tabs_and_no_more(tmp_path: Path) -> None:
    with running(small_dashboard(max_tabs=2), tmp_path) as dashboard:
        async with visitor(dashboard) as session:
            async with (
                await open_tab(session, dashboard) as first,
                await open_tab(session, dashboard) as second,
            ):
                await shown(first, "hello")
                await shown(second, "hello")
                async with await open_tab(session, dashboard) as third:
                    assert (await goodbye(third)).startswith("2 tabs are open, which is the maximum.")
                assert len(dashboard.processes()) == 2
            assert await gone(dashboard)
            # A tab's place is free a moment after its process has ended.
            async with (
                await open_when_free(session, dashboard, "hello"),
                await open_when_free(session, dashboard, "hello"),
            ):
                assert len(dashboard.processes()) == 2
