"""Scripted failures over real HTTP."""

import asyncio
import email.utils
import time
from typing import Any

import aiohttp
import pytest

from agentbatch.rehearsal.script import Fault, Say, Script
from agentbatch.rehearsal.server import RehearsalServer
from tests.support.waiting import PATIENCE, until

BODY = {"model": "rehearsal-coder", "messages": [{"role": "user", "content": "do it"}], "tools": [{}]}


def script(*steps: Fault | Say) -> Script:
    return Script(prompt="do it", coder=list(steps))


async def ask(server: RehearsalServer, body: dict[str, Any] = BODY) -> tuple[int, Any, dict[str, str]]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(server.base_url + "/chat/completions", json=body) as answer,
    ):
        return answer.status, await answer.json(content_type=None), dict(answer.headers)


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        (Fault(status=400), "invalid_request_error", None),
        (Fault(status=401), "invalid_request_error", "invalid_api_key"),
        (Fault(status=403), "request_forbidden", "unsupported_country_region_territory"),
        (Fault(status=429), "requests", "rate_limit_exceeded"),
        (Fault(status=429, code="insufficient_quota"), "insufficient_quota", "insufficient_quota"),
        (Fault(status=500), "server_error", None),
        (Fault(status=503, message="overloaded"), "server_error", None),
    ],
)
async def test_status_faults_in_the_words_of_openai(fault: Fault, kind: str, code: str | None) -> None:
    async with RehearsalServer([script(fault, Say(content="well"))]) as server:
        status, data, _ = await ask(server)
        again, answer, _ = await ask(server)
    assert (status, data["error"]["type"], data["error"]["code"]) == (fault.status, kind, code)
    assert data["error"]["message"] == fault.message
    assert (again, answer["choices"][0]["message"]["content"]) == (200, "well")


async def test_retry_after_in_all_its_forms() -> None:
    date = email.utils.formatdate(time.time() + 5, usegmt=True)
    forms = [{"Retry-After": "2"}, {"retry-after-ms": "150"}, {"Retry-After": date}]
    faults = [Fault(status=429, headers=headers) for headers in forms]
    async with RehearsalServer([script(Say())], faults=faults) as server:
        got = [(await ask(server))[2] for _ in forms]
        assert (await ask(server))[0] == 200
    assert got[0]["Retry-After"] == "2"
    assert got[1]["retry-after-ms"] == "150"
    assert got[2]["Retry-After"] == date


async def test_server_wide_faults_meet_the_first_requests_whatever_they_ask() -> None:
    async with RehearsalServer([script(Say())], faults=[Fault(status=503, times=2)]) as server:
        unknown = BODY | {"messages": [{"role": "user", "content": "other"}]}
        statuses = [(await ask(server, body))[0] for body in (unknown, BODY, unknown, BODY)]
    assert statuses == [503, 503, 400, 200]


async def test_requests_a_minute_past_the_limit_are_429_and_pass_after_the_wait() -> None:
    async with RehearsalServer([script(Say())], rpm=600, rate_window=0.3) as server:
        answers = [await ask(server) for _ in range(4)]
        refused = [(data, headers) for status, data, headers in answers if status == 429]
        assert [status for status, _, _ in answers][:3] == [200, 200, 200]
        assert len(refused) == 1
        data, headers = refused[0]
        assert data["error"]["code"] == "rate_limit_exceeded"
        assert headers["Retry-After"] == "1"
        assert 0 < int(headers["retry-after-ms"]) <= 300
        await asyncio.sleep(int(headers["retry-after-ms"]) / 1000)
        assert (await ask(server))[0] == 200


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(kind="disconnect"), aiohttp.ServerDisconnectedError),
        (Fault(kind="cut"), aiohttp.ClientPayloadError),
    ],
)
async def test_dropped_connections(
    fault: Fault, error: type[aiohttp.ClientError], caplog: pytest.LogCaptureFixture
) -> None:
    async with RehearsalServer([script(fault, Say())]) as server:
        with pytest.raises(error):
            await ask(server)
        assert (await ask(server))[0] == 200
    assert [request.status for request in server.requests] == [None, 200]
    assert not caplog.records


async def test_hanging_answer_ends_with_its_client() -> None:
    async with RehearsalServer([script(Fault(kind="hang"), Say())]) as server:
        hanging = asyncio.create_task(ask(server))
        await until(lambda: server.in_flight)
        hanging.cancel()
        await until(lambda: not server.in_flight)
        assert (await ask(server))[0] == 200


async def test_server_closes_while_an_answer_hangs() -> None:
    async with asyncio.timeout(PATIENCE):
        async with RehearsalServer([script(Fault(kind="hang"))]) as server:
            hanging = asyncio.create_task(ask(server))
            await until(lambda: server.in_flight > 0)
        with pytest.raises(aiohttp.ClientError):
            await hanging


@pytest.mark.parametrize(
    ("fault", "start"),
    [(Fault(kind="garbage"), b"<html>"), (Fault(kind="garbage", body='{"error": {}}'), b'{"error"')],
)
async def test_garbage_comes_with_a_good_status(fault: Fault, start: bytes) -> None:
    async with (
        RehearsalServer([script(fault, Say())]) as server,
        aiohttp.ClientSession() as session,
        session.post(server.base_url + "/chat/completions", json=BODY) as answer,
    ):
        assert answer.status == 200
        assert (await answer.read()).startswith(start)


async def test_a_status_fault_can_carry_any_body() -> None:
    fault = Fault(status=502, body="<h1>Bad Gateway</h1>", content_type="text/html")
    async with (
        RehearsalServer([script(fault)]) as server,
        aiohttp.ClientSession() as session,
        session.post(server.base_url + "/chat/completions", json=BODY) as answer,
    ):
        assert (answer.status, answer.content_type) == (502, "text/html")
        assert await answer.text() == "<h1>Bad Gateway</h1>"


async def test_latency_and_delay_add_up() -> None:
    async with RehearsalServer([script(Say(delay=0.2))], latency=0.2) as server:
        began = time.monotonic()
        await ask(server)
    assert time.monotonic() - began >= 0.4
