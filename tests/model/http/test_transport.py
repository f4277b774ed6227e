"""What the transport makes of the environment and of its address."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from agentbatch.errors import UserError
from agentbatch.model.http.errors import TransportError, UnreachedError
from agentbatch.model.http.proxy import is_excepted, proxy_of
from agentbatch.model.http.transport import HttpAnswer, Transport, in_anthropics_form


class Seen:
    """A server that answers everything, as a proxy does too, and keeps what it was asked."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        self.port = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append((str(request.url), request.headers.get("authorization", "")))
        return web.Response(text="here")


@pytest.fixture
async def seen(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Seen]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    made = Seen()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", made.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


async def post(base_url: str, key: str = "sk-test") -> HttpAnswer:
    transport = await Transport.open(base_url, key, 10.0, 5.0, 4)
    try:
        return await transport.post("/chat/completions", b"{}")
    finally:
        await transport.close()


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_a_proxy_of_the_environment_is_used(
    seen: Seen, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, f"http://127.0.0.1:{seen.port}")
    assert (await post("http://api.example.invalid/v1")).body == b"here"
    assert seen.requests == [("http://api.example.invalid/v1/chat/completions", "Bearer sk-test")]


async def test_a_proxy_that_is_not_to_be_used_is_not(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{seen.port}")
    monkeypatch.setenv("NO_PROXY", "example.invalid")
    with pytest.raises(TransportError):
        await post("http://api.example.invalid/v1")
    assert not seen.requests
    assert proxy_of("http://other.invalid/v1") == f"http://127.0.0.1:{seen.port}"
    assert proxy_of("https://other.invalid/v1") is None, "the proxy of http alone"
    monkeypatch.setenv("HTTPS_PROXY", "proxy.invalid:3128")
    assert proxy_of("https://other.invalid/v1") == "http://proxy.invalid:3128", "as curl takes it"


async def test_no_proxy_stands_before_this_machine(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert (await post(f"http://127.0.0.1:{seen.port}/v1")).status == 200


@pytest.mark.parametrize(
    ("proxy", "shown"),
    [
        ("socks5://me:secret@127.0.0.1:1080", "socks5://127.0.0.1:1080"),
        ("socks4a://gate", "socks4a://gate"),
        ("http://me:secret@gate:x", "http://gate:x"),
        ("me:secret@", "http://"),
    ],
)
async def test_a_proxy_that_cannot_be_used_is_a_sentence_without_its_password(
    seen: Seen, monkeypatch: pytest.MonkeyPatch, proxy: str, shown: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(UserError) as refused:
        await post("https://api.example.invalid/v1")
    assert str(refused.value) == (
        f"ALL_PROXY names {shown} as the proxy for api.example.invalid, and model calls go through HTTP proxies "
        "alone: set HTTPS_PROXY to one (http://proxy:3128), or NO_PROXY=api.example.invalid to go without."
    )
    assert (await post(f"http://127.0.0.1:{seen.port}/v1")).status == 200, "none stands before this machine"
    monkeypatch.setenv("HTTPS_PROXY", "http://gate:3128")
    assert proxy_of("https://api.example.invalid/v1") == "http://gate:3128"


async def test_user_and_password_of_the_address_go_into_the_header(seen: Seen) -> None:
    await post(f"http://us%40er:pass@127.0.0.1:{seen.port}/v1")
    (request,) = seen.requests
    assert request == (f"http://127.0.0.1:{seen.port}/v1/chat/completions", "Basic dXNAZXI6cGFzcw==")


async def raw_server(answer: bytes) -> tuple[asyncio.Server, int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", b"hello\r\n\r\n", b""],
)
async def test_the_password_of_a_proxy_stands_in_no_error(
    seen: Seen, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    server, port = await raw_server(answer)
    async with server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@127.0.0.1:{port}")
        with pytest.raises(TransportError) as failed:
            await post("https://api.example.invalid/v1")
    assert "secret" not in str(failed.value)
    if b"407" in answer:
        assert str(failed.value) == (
            f"the proxy 127.0.0.1:{port} of HTTPS_PROXY answered 407 Proxy Authentication Required"
        )


async def test_a_proxy_that_is_not_there_is_named_by_its_variable(
    seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://user:secret@127.0.0.1:9")
    with pytest.raises(UnreachedError) as failed:
        await post("https://api.example.invalid/v1")
    assert str(failed.value) == "nothing answers at the proxy 127.0.0.1:9 of ALL_PROXY (connection refused)"
    assert failed.value.proxy, "the endpoint's own setting has nothing to do with it"


async def test_an_answer_that_is_no_http_gets_no_status(seen: Seen) -> None:
    server, port = await raw_server(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
    async with server:
        with pytest.raises(TransportError, match="the answer is not valid HTTP") as failed:
            await post(f"http://127.0.0.1:{port}/v1")
    assert "400" not in str(failed.value)


@pytest.mark.parametrize(
    ("no_proxy", "url", "excepted"),
    [
        ("", "https://api.example.com/v1", False),
        ("*", "https://api.example.com/v1", True),
        ("example.com", "https://api.example.com/v1", True),
        ("EXAMPLE.com.", "https://api.Example.com./v1", True),
        (".example.com", "https://api.example.com/v1", True),
        ("*.example.com", "https://api.example.com/v1", True),
        ("example.com", "https://badexample.com/v1", False),
        ("example.com", "https://example.com.evil.net/v1", False),
        ("other.net, api.example.com", "https://api.example.com/v1", True),
        ("other.net api.example.com", "https://api.example.com/v1", True),
        ("api.example.com:443", "https://api.example.com/v1", True),
        ("api.example.com:8443", "https://api.example.com/v1", False),
        ("api.example.com:8443", "https://api.example.com:8443/v1", True),
        ("https://api.example.com", "https://api.example.com/v1", True),
        ("http://api.example.com", "https://api.example.com/v1", False),
        ("all://*example.com", "https://api.example.com/v1", True),
        ("all://", "https://api.example.com/v1", False),
        ("10.0.0.0/8", "http://10.1.2.3/v1", True),
        ("10.0.0.0/8", "http://11.1.2.3/v1", False),
        ("10.1.2.3/8", "http://10.9.9.9/v1", True),
        ("10.0.0.0/8:8080", "http://10.1.2.3:8080/v1", True),
        ("10.0.0.0/8:8080", "http://10.1.2.3:8081/v1", False),
        ("10.0.0.0/99", "http://10.1.2.3/v1", False),
        ("10.1.2.3", "http://10.1.2.3/v1", True),
        ("2.3", "http://10.1.2.3/v1", False),
        ("fd00::/8", "http://[fd00::1]:8080/v1", True),
        ("[fd00::1]", "http://[fd00::1]/v1", True),
        ("[fd00::1]:80", "http://[fd00::1]:81/v1", False),
        ("fd00::1", "http://[fd00::2]/v1", False),
        (",,: ,", "https://api.example.com/v1", False),
    ],
)
def test_addresses_that_no_proxy_has(no_proxy: str, url: str, excepted: bool) -> None:
    assert is_excepted(urlsplit(url), no_proxy) is excepted


@pytest.mark.parametrize(
    ("host", "key", "told"),
    [
        ("api.anthropic.com", "sk-ant-api-1", {"x-api-key": "sk-ant-api-1"}),
        ("api.anthropic.com", "sk-ant-oat-1", {"authorization": "Bearer"}),
        ("openrouter.ai", "sk-or-1", {"authorization": "Bearer", "x-api-key": "sk-or-1"}),
        ("127.0.0.1", "", {"authorization": "Bearer", "x-api-key": "none"}),
    ],
)
def test_a_key_in_the_form_of_anthropics_api(host: str, key: str, told: dict[str, str]) -> None:
    assert in_anthropics_form({"authorization": "Bearer"}, key, host) == told
