"""A server that has bad moments, and one that has too much: what is answered, and what is said of the rest."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest

from agentbatch.rehearsal.plain.answers import plain_document
from agentbatch.rehearsal.plain.endpoint import Moment, Plain
from agentbatch.rehearsal.script import Fault
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.requests import BatchRequest, BatchResult, RetryPolicy
from agentbatch.requests.spec.request import CHAT
from tests.requests.conftest import Serve
from tests.support.clocks import MovedClock
from tests.support.waiting import until

MOMENTS: tuple[Moment, ...] = ("503", "stall", "truncated", "cut", "garbage", "disconnect")

TIMEOUT = 60.0
"""Seconds that a request has: at a stall the clock is moved on by as many."""

REASONS: dict[Moment, tuple[int | None, str, str]] = {
    "503": (503, "transient", "answered 503"),
    "stall": (None, "timeout", f"no answer within {TIMEOUT:g} s"),
    "truncated": (None, "no_answer", "a 200 that is not JSON"),
    "cut": (None, "no_answer", "gave no usable answer"),
    "garbage": (None, "no_answer", "a 200 that is not JSON"),
    "disconnect": (None, "no_answer", "gave no usable answer"),
    "429": (429, "rate_limit_exceeded", "answered 429"),
}
"""Status, code and a part of the reason that each moment has to be told with."""

LATENCY = 0.2


def asks(count: int) -> list[BatchRequest]:
    return [BatchRequest.ask(f"r{n}", f"Say {n}", model="m") for n in range(count)]


@asynccontextmanager
async def stalls_pass(server: RehearsalServer) -> AsyncIterator[None]:
    """Where one request is under way at a time."""
    clock, plain = MovedClock(), server.plain
    assert plain is not None

    async def move_on() -> None:
        for number in count():
            await until(lambda at=number: len(plain.played) > at)  # type: ignore[misc]
            if plain.played[number] == "stall":
                await asyncio.sleep(0.01)
                clock.move_on(TIMEOUT + 1)

    moving = asyncio.ensure_future(move_on())
    yield
    moving.cancel()


def is_whole(request: BatchRequest, result: BatchResult) -> bool:
    """Its own question's answer, to the last word."""
    document = plain_document(CHAT, request.body, 1)
    body = dict(result.body or {})
    return [body.get(name) for name in ("choices", "usage")] == [document["choices"], document["usage"]]


@pytest.mark.slow
async def test_of_calls_that_fail_by_a_fifth_nearly_all_are_answered_in_the_end(serve: Serve) -> None:
    requests, plain = asks(500), Plain(share=0.2, moments=MOMENTS, seed=3)
    # A busy machine must not need so long for an answer: it would be given up here, and counted as good there.
    options: dict[str, Any] = {"concurrency": 40, "request_timeout": 15.0}
    async with serve(plain, **options) as (processor, server):
        run = await processor.run(requests)
        assert server.plain is not None
        played = server.plain.played
    bad = len(played) - played.count(None)
    assert {moment for moment in played if moment} == set(MOMENTS)
    assert 0.15 < bad / len(played) < 0.25
    assert run.stats.ok >= 0.99 * len(requests)
    assert run.stats.ok + run.stats.failed == len(requests)
    assert all(is_whole(request, result) for request, result in zip(requests, run.results, strict=True)
               if result.ok)  # fmt: skip
    assert run.stats.ok == played.count(None)  # nothing that was answered was asked again
    assert len(played) == run.stats.attempts  # both sides count the same
    lost = [(result.id, result.error.message) for result in run.results if result.error is not None]
    assert sorted(run.stats.failures) == sorted(lost)


@pytest.mark.parametrize("max_retries", [0, 1])
@pytest.mark.slow
async def test_every_failure_is_told_as_it_was(serve: Serve, max_retries: int) -> None:
    """One at a time, so that the server's moments can be laid beside the requests; the last one is the reason."""
    requests, plain = asks(80), Plain(share=0.4, moments=(*MOMENTS, "429"), seed=5)
    options: dict[str, Any] = {"concurrency": 1, "request_timeout": TIMEOUT}
    retry = RetryPolicy(max_retries, delay=0.01)
    async with serve(plain, retry=retry, **options) as (processor, server), stalls_pass(server):
        run = await processor.run(requests)
        assert server.plain is not None
        played = iter(server.plain.played)
    told = dict(run.stats.failures)
    for request, result in zip(requests, run.results, strict=True):
        met = [next(played) for _ in range(result.attempts)]
        assert all(met[:-1])  # nothing that was answered was asked again
        last = met[-1]
        assert result.refused == met.count("429")
        if last is None:
            assert is_whole(request, result)
            assert result.id not in told
            continue
        status, code, reason = REASONS[last]
        assert result.error is not None
        assert result.attempts == max_retries + 1 + (
            "disconnect" in met
        )  # sent again at once, the first time
        assert (result.status_code, result.error.code) == (status, code), last
        assert reason in result.error.message, last
        assert (f"(after {result.attempts} attempts)" in result.error.message) == (result.attempts > 1)
        assert told[result.id] == result.error.message
        line = json.loads(result.line())
        assert line["error"] == {"code": code, "message": result.error.message}
        assert (line["response"] or {}).get("status_code") == status
    assert next(played, "all were looked at") == "all were looked at"
    assert len(told) == run.stats.failed > 0


async def test_the_reasons_cover_what_a_server_does(serve: Serve) -> None:
    """Each moment once: the test above would pass by if its seed left one out."""
    for moment in REASONS:
        plain = Plain(share=1.0, moments=(moment,))
        options: dict[str, Any] = {"retry": RetryPolicy(0), "request_timeout": TIMEOUT}
        async with serve(plain, **options) as (processor, server), stalls_pass(server):
            run = await processor.run(asks(1))
        status, code, reason = REASONS[moment]
        error = run.results[0].error
        assert error is not None
        assert (run.results[0].status_code, error.code) == (status, code), moment
        assert reason in error.message, moment


@pytest.mark.slow
async def test_after_a_burst_of_429s_one_goes_first_and_the_others_follow_by_and_by(serve: Serve) -> None:
    """Forty at once are refused: after the cooldown one probes; each answer lets two follow."""
    at_once = 40
    slow = Fault(status=429, message="Slow down.", headers={"retry-after-ms": "500"})
    options: dict[str, Any] = {"concurrency": at_once, "adaptive": False}
    server_options = {"faults": [slow] * at_once, "latency": LATENCY}
    async with serve(server=server_options, **options) as (processor, server):
        run = await processor.run(asks(2 * at_once))
        came = [(request.at, request.status) for request in server.requests]
    assert run.stats.ok == 2 * at_once
    assert run.stats.refused == at_once
    assert [status for _, status in came] == [429] * at_once + [200] * (2 * at_once)
    after = [at for at, _ in came[at_once:]]
    assert after[0] >= came[at_once - 1][0] + 0.49
    for rounds, most in ((1, 1), (2, 3), (3, 7)):
        # An answer takes LATENCY: no more can have followed one that was let in.
        assert sum(at < after[0] + rounds * LATENCY * 0.98 for at in after) <= most


@pytest.mark.parametrize("adaptive", [True, False])
@pytest.mark.slow
async def test_no_second_burst_comes_of_the_first(serve: Serve, adaptive: bool) -> None:
    """The server takes eight at once, and refuses more all the time. Its answers are slow, so that also a busy machine
    has sent what it may before the first is there."""
    options: dict[str, Any] = {"concurrency": 40, "adaptive": adaptive, "retry": RetryPolicy(20, delay=0.1)}
    async with serve(server={"max_in_flight": 8, "latency": 0.5}, **options) as (processor, server):
        run = await processor.run(asks(80))
        refused = [request.at for request in server.requests if request.status == 429]
    assert run.stats.ok == 80
    assert run.stats.refused == len(refused) > 0
    burst = sum(at < refused[0] + 0.4 for at in refused)
    if not adaptive:
        assert burst >= 20  # it was one
    later = [at for at in refused if at >= refused[0] + 0.4]
    assert max((sum(at <= other < at + 0.4 for other in later) for at in later), default=0) <= 8
