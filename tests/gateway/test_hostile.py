"""Agents that try what they are not meant to, and endpoints that answer oddly: over real connections."""

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agentbatch.gateway import answers, connections, server
from agentbatch.gateway.incoming import MAX_BODY, MAX_WEIGHT, RefusedRequest, body_of, weight_of
from agentbatch.model.limits.quota import QuotaGate
from agentbatch.rehearsal.script import Fault, Say, Script, Step
from agentbatch.rehearsal.server import RehearsalServer
from tests.support.clocks import MovedClock
from tests.support.endpoints import Serve
from tests.support.gateways import Desk
from tests.support.keys import KEY
from tests.support.waiting import PATIENCE, until

PROMPT = "Write hello.py"
CHAT = "/v1/chat/completions"
BODY: dict[str, Any] = {"model": "any", "messages": [{"role": "user", "content": PROMPT}]}


def served(*steps: Step) -> RehearsalServer:
    return RehearsalServer([Script(prompt=PROMPT, coder=list(steps))], any_model=True)


async def raw(port: int, data: bytes) -> bytes:
    """All that comes back for these bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    try:
        return await asyncio.wait_for(reader.read(), PATIENCE)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer sk-agentbatch-" + "A" * 43},
        {"Authorization": "Basic TOKEN"},
        {"Authorization": "TOKEN"},
        {"x-api-key": ""},
        {"x-api-key": "TOKEN "},
        {"api-key": "TOKEN"},
        {"Cookie": "token=TOKEN"},
        {"Authorization": "Bearer TOKEN,x"},
    ],
)
async def test_without_the_token_nothing_is_said_or_done(tmp_path: Path, header: dict[str, str]) -> None:
    async with served(Say(content="Hi.")) as upstream, Desk.open(upstream.base_url, tmp_path) as desk:
        token = desk.gateway.open(desk.account())
        given = {name: value.replace("TOKEN", token) for name, value in header.items()}
        if header.get("x-api-key", "").endswith(" "):
            given["x-api-key"] = token[:-1]
        for method, path in (("POST", CHAT), ("GET", "/v1/models"), ("POST", "/v1/messages/count_tokens")):
            url = desk.gateway.url + path
            async with desk.session.request(method, url, json=BODY, headers=given) as answer:
                assert answer.status == 401
                assert (await answer.json())["error"]["message"] == "There is no such token."
        assert (upstream.requests, desk.told) == ([], [])


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:PORT", 200),
        ("localhost:PORT", 200),
        ("evil.example:PORT", 421),
        ("evil.example", 421),
        ("127.0.0.1", 200),
        ("127.0.0.1:1", 200),
        ("127.0.0.1:", 421),
        ("127.0.0.1:PORT:1", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:PORT", 421),
        ("evil.example:127.0.0.1", 421),
        ("127.0.0.1:PORT.evil.example", 421),
        ("user@127.0.0.1:PORT", 421),
        ("", 421),
        (None, 400),
    ],
)
async def test_only_requests_for_this_host_are_answered(
    tmp_path: Path, host: str | None, status: int
) -> None:
    """A page in a browser reaches loopback by a name of its own that it lets point there."""
    async with served() as upstream, Desk.open(upstream.base_url, tmp_path) as desk:
        token = desk.gateway.open(desk.account())
        named = "" if host is None else f"Host: {host.replace('PORT', str(desk.gateway.port))}\r\n"
        head = f"GET /v1/models HTTP/1.1\r\n{named}x-api-key: {token}\r\nConnection: close\r\n\r\n"
        answer = await raw(desk.gateway.port, head.encode())
        assert answer.split(b" ", 2)[1] == str(status).encode()
        assert b"access-control" not in answer.lower()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", CHAT),
        ("OPTIONS", CHAT),
        ("DELETE", "/v1/responses/resp_1"),
        ("GET", "/v1/responses/resp_1"),
        ("POST", "/v1/batches"),
        ("POST", "/v1/files"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "/v1/count_tokens"),
        ("POST", "/v1/chat/completions/count_tokens"),
        ("POST", "//evil.example/v1/chat/completions"),
        ("GET", "/v1/models/other"),
        ("POST", "/" + "a" * 5000),
    ],
)
async def test_there_is_nothing_else_here(tmp_path: Path, method: str, path: str) -> None:
    async with served() as upstream, Desk.open(upstream.base_url, tmp_path) as desk:
        token = desk.gateway.open(desk.account())
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{desk.gateway.port}\r\n"
            f"x-api-key: {token}\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}"
        )
        answer = await raw(desk.gateway.port, head.encode())
        assert answer.split(b" ", 2)[1] == b"404"
        assert upstream.requests == []


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[1]", 400),
        (b'"x"', 400),
        (b"\xff\xfe", 400),
        (b'{"a":' + b"1" * 10_000 + b"}", 400),
        (b'{"a":' + b"[" * 100_000, 400),
        (b'{"a":' + b"[" * 300 + b"]" * 300 + b"}", 400),
        (b'{"a":' + b"[" * 950 + b"]" * 950 + b"}", 400),
        (b'{"a":"\\ud800"}', None),
    ],
)
def test_bodies(content: bytes, status: int | None) -> None:
    if status is None:
        assert "a" in body_of(content)
        return
    with pytest.raises(RefusedRequest) as refused:
        body_of(content)
    assert refused.value.status == status


def test_what_a_body_takes_of_memory() -> None:
    assert weight_of(b'{"m":[' + b"[]," * 10**5 + b"1]}") > 10**7
    with pytest.raises(RefusedRequest):
        weight_of(b'{"m":[' + b"[]," * 10**6 + b"1]}")
    code = json.dumps({"m": [{"content": "x = foo(a, b)\n" * 300} for _ in range(1000)]}).encode()
    assert len(code) < weight_of(code) < 6 * len(code)
    assert weight_of(b"x" * MAX_BODY) == MAX_BODY


async def pieces() -> AsyncIterator[bytes]:
    yield json.dumps(BODY).encode()


async def test_bodies_are_bounded_as_they_come_and_as_they_unpack(tmp_path: Path) -> None:
    large = b'{"a":"' + b"x" * MAX_BODY + b'"}'
    parts = b'{"m":[' + b"[]," * (5 * 10**5) + b"1]}"
    zipped = {"Content-Encoding": "gzip"}
    async with served(Say(content="Hi.")) as upstream, Desk.open(upstream.base_url, tmp_path) as desk:
        account = desk.account()
        headers = {"x-api-key": desk.gateway.open(account)}
        url = desk.gateway.url + CHAT
        for data, more in ((large, {}), (gzip.compress(large), zipped), (parts * 3, {})):
            async with desk.session.post(url, data=BytesIO(data), headers={**headers, **more}) as answer:
                assert answer.status in (413, 400)
        account.weight = 2 * MAX_WEIGHT - 10
        async with desk.session.post(url, json=BODY, headers=headers) as answer:
            assert answer.status == 429
        account.weight = (
            2 * MAX_WEIGHT - MAX_BODY // 2
        )  # a request that does not say how long it is may be the longest
        async with desk.session.post(url, data=pieces(), headers=headers) as answer:
            assert answer.status == 429
        account.weight = 0
        async with desk.session.post(
            url, data=gzip.compress(json.dumps(BODY).encode()), headers={**headers, **zipped}
        ) as answer:
            assert answer.status == 200
        assert (account.weight, account.calls, len(upstream.requests)) == (0, set(), 1)


async def test_a_name_that_stands_twice_does_not_smuggle_a_model(tmp_path: Path) -> None:
    """Which of the two counts is for no parser to choose: one goes on."""
    twice = (
        b'{"model":"dear","model":"any","messages":[{"role":"user","content":"' + PROMPT.encode() + b'"}]}'
    )
    async with served(Say(content="Hi.")) as upstream, Desk.open(upstream.base_url, tmp_path) as desk:
        headers = {"x-api-key": desk.gateway.open(desk.account())}
        async with desk.session.post(desk.gateway.url + CHAT, data=twice, headers=headers) as answer:
            assert answer.status == 200
        assert upstream.requests[0].body["model"] == "coder"
    assert desk.finished[0].model == "coder"


@pytest.mark.parametrize(
    "model", [None, 7, ["coder"], {"a": 1}, "", "x" * 10**5, "small-coder", "coder", "../coder"]
)
async def test_models_that_are_not_the_accounts(tmp_path: Path, model: Any) -> None:
    async with served(Say(content="Hi.")) as upstream, Desk.open(upstream.base_url, tmp_path) as desk:
        token = desk.gateway.open(desk.account(others=frozenset({"small-coder"})))
        assert (await desk.ask(token, CHAT, {**BODY, "model": model}))[0] == 200
        assert upstream.requests[0].body["model"] == ("small-coder" if model == "small-coder" else "coder")


async def test_connections_without_a_token_do_not_keep_others_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_STRANGERS", 10)
    async with served(Say(content="Hi.")) as upstream, Desk.open(upstream.base_url, tmp_path) as desk:
        token, port = desk.gateway.open(desk.account()), desk.gateway.port
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
        assert (await desk.ask(token, CHAT, BODY))[0] == 200
        closed = [asyncio.ensure_future(reader.read()) for reader, _ in idle]
        await until(lambda: sum(one.done() for one in closed) >= 30)
        assert sum(one.done() for one in closed) <= 31
        for _, writer in idle:
            writer.close()
        await asyncio.gather(*closed, return_exceptions=True)


async def test_connections_and_calls_of_one_account_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 6)
    monkeypatch.setattr(server, "MAX_CALLS", 4)
    slow, clock = Say(content="Hi.", delay=60), MovedClock()
    async with served(*[slow] * 50) as upstream, Desk.open(upstream.base_url, tmp_path) as desk:
        account = desk.account()
        one, other = desk.gateway.open(account), desk.gateway.open(desk.account())
        calls = [asyncio.ensure_future(desk.ask(token, CHAT, BODY)) for token in (*[one] * 12, other)]
        await until(lambda: upstream.in_flight == 5 and sum(call.done() for call in calls) == 8)
        clock.move_on(60)
        statuses = [status for status, _ in await asyncio.gather(*calls)]
        assert statuses.count(200) == 5
        assert statuses[-1] == 200, "another task's is not held up"
        assert set(statuses) == {200, 429}
        assert upstream.peak_in_flight == 5
        assert 0 < account.connections <= 6
        await desk.session.close()
        await until(lambda: account.connections == 0)


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00" + b"\x00" * 100,
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\n" + b"a: " + b"b" * 10**6 + b"\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\n" + b"".join(b"a%d: b\r\n" % n for n in range(5000)) + b"\r\n",
        b"GET /" + b"a" * 10**6,
        b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_refused_without_a_word_in_the_log(
    tmp_path: Path, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with served() as upstream, Desk.open(upstream.base_url, tmp_path) as desk:
            answer = await raw(desk.gateway.port, data)
            assert answer == b"" or 400 <= int(answer.split(b" ", 2)[1]) < 500
            assert upstream.requests == []
    assert caplog.records == []


@pytest.mark.parametrize("stream", [False, True])
async def test_what_an_endpoint_repeats_of_the_key_is_masked(tmp_path: Path, stream: bool) -> None:
    said = Say(content=f"Your key is {KEY}, I think.")
    refused = Fault(status=400, code="bad", message=f"Bad key {KEY}.", times=9)
    async with served(said) as upstream, Desk.open(upstream.base_url, tmp_path) as desk:
        token = desk.gateway.open(desk.account())
        async with desk.post(token, CHAT, {**BODY, "stream": stream}) as answer:
            assert KEY not in (await answer.read()).decode()
    async with served(refused) as upstream, Desk.open(upstream.base_url, tmp_path) as desk:
        token = desk.gateway.open(desk.account())
        async with desk.post(token, CHAT, {**BODY, "stream": stream}) as answer:
            text = (await answer.read()).decode()
    assert "Bad key [redacted]." in text
    assert KEY not in text


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>Welcome to the wifi</html>"),
        (200, b'{"error":{"message":"Overloaded","type":"overloaded_error"}}'),
        (200, b"[]"),
        (302, b""),
        (500, b"\x00" * 1000),
        (401, b"{}"),
        (402, b'{"error":"no credits"}'),
    ],
)
async def test_what_is_no_answer_ends_the_agent_or_is_its_own_fault(
    tmp_path: Path, serve: Serve, status: int, body: bytes
) -> None:
    async def upstream(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body, headers={"Set-Cookie": "a=b", "Location": "http://x/"})

    async with Desk.open(await serve(upstream), tmp_path) as desk:
        account = desk.account()
        token = desk.gateway.open(account)
        for path in (CHAT, "/v1/responses", "/v1/messages"):
            async with desk.post(token, path, {**BODY, "stream": True}) as answer:
                said = await answer.json()
                assert said["error"]["type"] == "invalid_request_error"
                assert answer.status == (400 if status == 302 else 402)
                assert "Set-Cookie" not in answer.headers
    assert (account.ended is None) is (status == 302)
    assert all(finished.error for finished in desk.finished)


async def test_what_would_change_the_price_is_left_out(tmp_path: Path) -> None:
    asked = {"service_tier": "priority", "speed": "fast", "inference_geo": "us", "top_p": 1}
    asked |= {
        "models": ["dearest"],
        "provider": {"sort": "throughput"},
        "extra_body": {"model": "dearest"},
        "api_base": "x",
        "fallbacks": ["dearest"],
        "context_window_fallback_dict": {"coder": "dearest"},
        "mock_testing_content_policy_fallbacks": True,
        "num_retries": 9,
    }
    async with served(Say(content="Hi.")) as upstream, Desk.open(upstream.base_url, tmp_path) as desk:
        token = desk.gateway.open(desk.account())
        assert (await desk.ask(token, CHAT, {**BODY, **asked}))[0] == 200
        assert upstream.requests[0].body == {**BODY, "model": "coder", "top_p": 1}


async def test_an_agent_whose_calls_come_to_nothing_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be told what is wrong with its requests, but not for ever; an answer in between begins anew."""
    monkeypatch.setattr(server, "FRUITLESS", 3)
    refused = Fault(status=400, code="bad", message="No.", times=2)
    async with (
        served(
            refused, Say(content="Hi."), Fault(status=400, code="bad", message="No.", times=9)
        ) as upstream,
        Desk.open(upstream.base_url, tmp_path) as desk,
    ):
        account = desk.account()
        token = desk.gateway.open(account)
        statuses = [(await desk.ask(token, CHAT, BODY))[0] for _ in range(3)]
        assert (statuses, account.fruitless) == ([400, 400, 200], 0)
        gone = {**BODY, "messages": [{"role": "user", "content": "Something else"}]}
        statuses = [(await desk.ask(token, CHAT, gone))[0] for _ in range(4)]
    assert statuses == [400, 400, 400, 402]
    assert getattr(account.ended, "kind", "") == "request"


async def test_a_stream_that_waits_shows_that_it_is_there(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And an error then comes in its middle, with the next call refused."""
    monkeypatch.setattr(answers, "QUIET", 0.05)
    opened = asyncio.Event()

    async def gate(quota: QuotaGate) -> None:
        await opened.wait()

    async def upstream(request: web.Request) -> web.StreamResponse:
        if desk.finished:
            return web.Response(status=500)
        return web.Response(body=b'data: {"choices":[{"delta":{"content":"Hi."}}]}\n\ndata: [DONE]\n\n')

    body = {**BODY, "stream": True}
    async with Desk.open(await serve(upstream), tmp_path) as desk:
        token = desk.gateway.open(desk.account(gate=gate))
        for expected in (b"Hi.", b"answered 500"):
            opened.clear()
            async with desk.post(token, CHAT, body) as answer:
                assert (await answer.content.readuntil(b"\n\n")) == b": waiting\n\n"
                opened.set()
                assert expected in await answer.read()
                assert answer.status == 200
        assert (await desk.ask(token, CHAT, body))[0] == 402
