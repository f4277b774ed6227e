"""What holds an agent's calls, and what becomes of calls that nobody waits for: real HTTP on both sides."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from agentbatch.gateway import answers
from agentbatch.gateway import call as calls
from agentbatch.model.limits.limits import EndpointLimits
from agentbatch.model.limits.quota import QuotaGate
from agentbatch.rehearsal.script import Say, Script
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.spending.allowance import Amount
from agentbatch.spending.budget import RunBudget
from tests.support.endpoints import Serve
from tests.support.gateways import Desk
from tests.support.waiting import PATIENCE, until

PROMPT = "Write hello.py"
ASKED = [{"role": "user", "content": PROMPT + " please" * 50}]
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "any", "messages": ASKED},
    "/v1/responses": {"model": "any", "input": ASKED},
    "/v1/messages": {"model": "any", "max_tokens": 5000, "messages": ASKED},
}
PATHS = sorted(BODIES)
AGENTS, STEPS = 20, 4


@pytest.mark.parametrize("of", ["tokens", "money"])
async def test_twenty_agents_are_held_at_half_of_what_they_want(tmp_path: Path, of: str) -> None:
    """Each speaks one of the APIs, streamed or not, and asks until it is refused. What they pass the budget by is no
    more than a call each, and that only as far as its answer is longer than those before."""
    script = Script(prompt=PROMPT, coder=[Say(content="word " * 100)] * 1000)
    async with (
        RehearsalServer([script], any_model=True) as server,
        Desk.open(server.base_url, tmp_path) as desk,
    ):

        async def agent(number: int, budget: RunBudget, steps: int = STEPS) -> int:
            account = desk.account(budget.task(f"t{number}"), task_id=f"t{number}")
            token, path = desk.gateway.open(account), PATHS[number % 3]
            for step in range(steps):
                async with desk.post(token, path, {**BODIES[path], "stream": bool(number % 2)}) as answer:
                    await answer.read()
                if answer.status != 200:
                    assert answer.status == 402
                    assert account.ended is not None
                    return step
            return steps

        for number in range(3):
            await agent(number, RunBudget(max_tokens=10**9), 1)
        most = max(desk.finished, key=lambda event: event.usage.total)
        tokens, cost = most.usage.total, most.cost or 0.0
        half = AGENTS * STEPS // 2
        budget = RunBudget(max_tokens=tokens * half) if of == "tokens" else RunBudget(max_cost=cost * half)
        desk.told.clear()
        server.requests.clear()
        made = await asyncio.gather(*(agent(number, budget) for number in range(AGENTS)))
    assert len(server.requests) == sum(made) == len(desk.finished)
    assert half * 0.7 < sum(made) < AGENTS * STEPS
    assert sum(event.usage.total for event in desk.finished) <= tokens * (half + AGENTS)
    assert sum(event.cost or 0.0 for event in desk.finished) <= cost * (half + AGENTS)
    assert budget.exhausted


@pytest.mark.parametrize(
    ("asked", "status"),
    [({}, 200), ({"n": 4}, 402), ({"n": 4, "max_tokens": 50}, 200), ({"n": 10**400}, 402), ({"n": -4}, 200)],
)
async def test_what_an_agent_asks_for_is_reserved(tmp_path: Path, asked: dict[str, Any], status: int) -> None:
    """1,000 tokens an answer, before the first one."""
    script = Script(prompt=PROMPT, coder=[Say(content="Hi.")])
    async with (
        RehearsalServer([script], any_model=True) as server,
        Desk.open(server.base_url, tmp_path) as desk,
    ):
        token = desk.gateway.open(desk.account(RunBudget(max_tokens=2000).task("t")))
        path = "/v1/chat/completions"
        assert (await desk.ask(token, path, {**BODIES[path], **asked}))[0] == status
        assert len(server.requests) == (status == 200)


@pytest.mark.parametrize("how", ["gone", "closed"])
@pytest.mark.parametrize("path", PATHS)
async def test_a_call_that_nobody_waits_for_is_cut_off_and_billed(
    tmp_path: Path, path: str, how: str
) -> None:
    script = Script(prompt=PROMPT, coder=[Say(content="Hi.", delay=60)])
    async with (
        RehearsalServer([script], any_model=True) as server,
        Desk.open(server.base_url, tmp_path) as desk,
    ):
        task = RunBudget(max_tokens=10**6).task("t", max_tokens=10**6)
        assert task is not None
        token = desk.gateway.open(desk.account(task))
        call = asyncio.ensure_future(desk.ask(token, path, {**BODIES[path], "stream": True}))
        await until(lambda: server.in_flight == 1)
        if how == "gone":
            call.cancel()
        else:
            desk.gateway.close_account(token)
        await until(lambda: server.in_flight == 0 and bool(desk.finished))
        await asyncio.gather(call, return_exceptions=True)
        (finished,) = desk.finished
        if how == "closed":
            assert (await desk.ask(token, path, BODIES[path]))[0] == 401, "the token is dead"
    assert finished.error == "Interrupted."
    assert finished.usage.estimated
    assert finished.usage.input > 50
    longest = 5000 if path == "/v1/messages" else calls.MAX_ANSWER
    assert task.allowance.spent_tokens == finished.usage.input + longest, "the budget is held to a bound"
    refusal = task.allowance.refusal(Amount(10**9, 0.0), "m")
    assert f"{longest:,} tokens of it at most, for calls that were given up" in refusal
    assert task.allowance.under_way == 0
    assert desk.endpoint.limits.active == 0


async def test_an_answer_that_was_written_unseen_is_billed_where_it_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else who asks for whole answers, and never waits for the end of one, has them for nothing."""
    monkeypatch.setattr(calls, "SILENT_AT_FIRST", 0.0)
    monkeypatch.setattr(calls, "UNSEEN_A_SECOND", 10**12)
    script = Script(prompt=PROMPT, coder=[Say(content="Hi.", delay=60)])
    async with (
        RehearsalServer([script], any_model=True) as server,
        Desk.open(server.base_url, tmp_path) as desk,
    ):
        token, path = desk.gateway.open(desk.account()), "/v1/chat/completions"
        asking = asyncio.ensure_future(desk.ask(token, path, {**BODIES[path], "max_tokens": 40, "n": 2}))
        await until(lambda: server.in_flight == 1)
        asking.cancel()
        await until(lambda: bool(desk.finished))
    (finished,) = desk.finished
    assert (finished.usage.output, finished.usage.calls, finished.usage.estimated) == (80, 1, True)


async def test_what_a_stream_said_that_it_read_is_billed_where_it_is_given_up(
    tmp_path: Path, serve: Serve
) -> None:
    started = (
        b'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":7,'
        b'"cache_read_input_tokens":50000,"output_tokens":1}}}\n\n'
        b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"Hi"}}\n\n'
    )

    async def upstream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(started)
        await asyncio.sleep(60)
        return response

    async with Desk.open(await serve(upstream), tmp_path) as desk:
        path = "/v1/messages"
        token = desk.gateway.open(desk.account())
        async with desk.post(token, path, {**BODIES[path], "stream": True}) as answer:
            await answer.content.readuntil(b"Hi")
            answer.close()
        await until(lambda: bool(desk.finished))
    (finished,) = desk.finished
    assert (finished.usage.input, finished.usage.cached, finished.usage.calls) == (50007, 50000, 1)


async def test_an_agent_that_does_not_read_holds_its_place_for_so_long_only(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "TAKEN_WITHIN", 0.2)
    ended = asyncio.Event()

    async def upstream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            while True:
                await response.write(
                    b'data: {"choices":[{"delta":{"content":"' + b"x" * 60_000 + b'"}}]}\n\n'
                )
        finally:
            ended.set()

    async with Desk.open(await serve(upstream), tmp_path) as desk:
        token = desk.gateway.open(desk.account())
        _, writer = await asyncio.open_connection("127.0.0.1", desk.gateway.port)
        body = b'{"stream":true,"messages":[]}'
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{desk.gateway.port}\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await asyncio.wait_for(ended.wait(), PATIENCE)
        await until(lambda: bool(desk.finished))
        writer.close()
    assert desk.finished[0].error == "Interrupted."
    assert desk.finished[0].usage.output > 1000
    assert desk.endpoint.limits.active == 0


async def test_a_pause_and_the_endpoints_limits_hold_agents_as_they_hold_us(tmp_path: Path) -> None:
    paused = asyncio.Event()

    async def gate(quota: QuotaGate) -> None:
        await paused.wait()

    script = Script(prompt=PROMPT, coder=[Say(content="Hi.", delay=0.05)] * 9)
    limits = EndpointLimits(max_in_flight=1)
    async with (
        RehearsalServer([script], any_model=True) as server,
        Desk.open(server.base_url, tmp_path, limits=limits) as desk,
    ):
        token = desk.gateway.open(desk.account(gate=gate))
        path = "/v1/chat/completions"
        calls = [asyncio.ensure_future(desk.ask(token, path, BODIES[path])) for _ in range(3)]
        await asyncio.sleep(0.1)
        assert (server.requests, desk.told) == ([], [])
        paused.set()
        assert [status for status, _ in await asyncio.gather(*calls)] == [200] * 3
        assert server.peak_in_flight == 1


async def test_what_is_billed_is_on_disk_before_a_call_begins_and_before_its_answer_ends(
    tmp_path: Path,
) -> None:
    """A kill in the call loses that call at most."""
    script, order = Script(prompt=PROMPT, coder=[Say(content="Hi.")] * 9), []

    async def stored() -> None:
        order.append(("stored", len(server.requests)))

    async with (
        RehearsalServer([script], any_model=True) as server,
        Desk.open(server.base_url, tmp_path) as desk,
    ):
        token = desk.gateway.open(desk.account(stored=stored))
        path = "/v1/chat/completions"
        for _ in range(2):
            await desk.ask(token, path, BODIES[path])
    assert order == [("stored", 0), ("stored", 1), ("stored", 1), ("stored", 2)]


async def test_a_store_that_cannot_be_written_stops_calls(tmp_path: Path) -> None:
    async def stored() -> None:
        raise OSError("The run's files cannot be written.")

    async with RehearsalServer([], any_model=True) as server, Desk.open(server.base_url, tmp_path) as desk:
        token = desk.gateway.open(desk.account(stored=stored))
        status, answer = await desk.ask(token, "/v1/messages", BODIES["/v1/messages"])
        assert (status, answer["error"]["message"]) == (500, "The run's files cannot be written.")
        assert server.requests == []


async def test_a_gateway_that_closes_cuts_off_what_is_under_way(tmp_path: Path) -> None:
    script = Script(prompt=PROMPT, coder=[Say(content="Hi.", delay=60)])
    async with (
        RehearsalServer([script], any_model=True) as server,
        Desk.open(server.base_url, tmp_path) as desk,
    ):
        token = desk.gateway.open(desk.account())
        path = "/v1/chat/completions"
        call = asyncio.ensure_future(desk.ask(token, path, BODIES[path]))
        await until(lambda: server.in_flight == 1)
        await desk.gateway.close()
        with pytest.raises((aiohttp.ClientError, ValueError)):
            await call
        await until(lambda: server.in_flight == 0)
    assert desk.finished[0].error == "Interrupted."
