"""One request on its way: attempts, what an error says, timeouts, 429s."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures.retry import RetryPolicy
from agentbatch.model.limits.limits import EndpointLimits
from agentbatch.model.limits.quota import QuotaGate
from agentbatch.model.request.request import encode_body
from agentbatch.redaction import Redactor
from agentbatch.rehearsal.plain.endpoint import Plain
from agentbatch.rehearsal.script import Fault
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.requests.batch.adaptive import AdaptiveConcurrency
from agentbatch.requests.batch.call import Caller, CallOutcome
from agentbatch.requests.spec.request import CHAT, BatchRequest
from tests.support.keys import KEY
from tests.support.waiting import PATIENCE, until

TOO_ODD = '{"error": {"message": "too odd", "code": "odd_one", "type": "invalid_request_error"}}'


@asynccontextmanager
async def endpoint_of(
    server: RehearsalServer,
    *,
    retry: RetryPolicy | None = None,
    request_timeout: float = 60.0,
    quota: QuotaGate | None = None,
    **limits: Any,
) -> AsyncIterator[Endpoint]:
    async with Endpoint(
        server.base_url, KEY, limits=EndpointLimits(**limits), retry=retry or RetryPolicy(delay=0.01),
        request_timeout=request_timeout, stream=False, redact=Redactor([KEY]), quota=quota,
    ) as endpoint:  # fmt: skip
        yield endpoint


async def call(caller: Caller, text: str = "Hi", **options: Any) -> CallOutcome:
    body = BatchRequest.ask("a", text, model="m").body
    return await caller.call(CHAT, body, encode_body(body), 20, model="m", **options)


async def outcome(*faults: Fault, **options: Any) -> CallOutcome:
    async with (
        RehearsalServer(plain=True, faults=faults) as server,
        endpoint_of(server, **options) as endpoint,
    ):
        return await call(Caller(endpoint))


async def test_an_answer() -> None:
    came = await outcome()
    assert came.error is None
    assert came.document is not None
    assert came.document.usage is not None
    assert (came.attempts, came.refused) == (1, 0)


async def test_what_a_refusal_says_is_kept_without_the_key() -> None:
    body = TOO_ODD.replace("too odd", f"{KEY} is too odd")
    came = await outcome(Fault(status=400, body=body))
    assert came.error is not None
    assert (came.error.kind, came.error.status, came.error.code) == ("request", 400, "odd_one")
    assert came.refusal is not None
    assert came.refusal["error"]["code"] == "odd_one"
    assert "too odd" in came.error.text
    assert KEY not in str(came)


async def test_a_key_that_comes_back_is_nowhere_in_what_is_kept() -> None:
    """In a code that is cut, in the number of the request, and in an answer."""
    error = {"message": f"no {KEY.upper()}", "code": "c" * 50 + KEY, "type": "invalid_request_error"}
    body = json.dumps({"error": error, "key": f"{KEY[:9]}\x07{KEY[9:]}"})
    came = await outcome(Fault(status=400, body=body, headers={"x-request-id": "r" * 190 + KEY}))
    assert came.error is not None
    assert not re.search("test-01|T-01|0123456|abcdef", str(came))
    assert came.error.code.startswith("ccc")


@pytest.mark.parametrize(
    "body", ["<html>no</html>", "[1]", '{"error"', '{"error": "' + "x" * 100_000 + '"}', "[" * 10_000]
)
async def test_a_refusal_without_a_document(body: str) -> None:
    came = await outcome(Fault(status=404, body=body))
    assert came.error is not None
    assert came.error.status == 404
    assert came.refusal is None


@pytest.mark.parametrize(
    ("fault", "options", "code", "told"),
    [
        (Fault(kind="hang"), {"request_timeout": 0.2}, "timeout", "no answer within 0.2 s"),
        (Fault(kind="stall"), {"request_timeout": 0.2}, "timeout", "no answer within 0.2 s"),
        (Fault(kind="disconnect"), {}, "no_answer", "gave no usable answer"),
        (Fault(kind="cut"), {}, "no_answer", "gave no usable answer"),
        (Fault(kind="short"), {}, "no_answer", "a 200 that is not JSON"),
        (Fault(kind="garbage"), {}, "no_answer", "a 200 that is not JSON"),
        (Fault(kind="garbage", body='{"choices": []}'), {}, "no_answer", "a document without choices"),
        (Fault(kind="garbage", body='{"choices": [{"index": 0}]}'), {}, "no_answer", "without a message"),
        (Fault(kind="garbage", body=TOO_ODD), {}, "odd_one", "too odd"),
        (Fault(status=503, message="overloaded"), {}, "transient", "answered 503"),
        (Fault(status=429), {}, "rate_limit_exceeded", "answered 429"),
    ],
)
async def test_why_there_is_no_answer(fault: Fault, options: dict[str, Any], code: str, told: str) -> None:
    came = await outcome(fault, retry=RetryPolicy(0), **options)
    assert came.error is not None
    assert came.error.code == code
    assert told in came.error.text


async def test_attempts_are_counted_and_surrounded() -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def attempt() -> AsyncIterator[None]:
        seen.append("before")
        yield
        seen.append("after")

    faults = [Fault(status=503), Fault(status=429, headers={"retry-after-ms": "10"})]
    async with RehearsalServer(plain=True, faults=faults) as server, endpoint_of(server) as endpoint:
        came = await call(Caller(endpoint), attempt=attempt)
    assert came.document is not None
    assert (came.attempts, came.refused) == (3, 1)
    assert seen == ["before", "after"] * 3


async def test_nothing_is_tried_again_once_it_was_stopped() -> None:
    async with (
        RehearsalServer(plain=True, faults=[Fault(status=503)]) as server,
        endpoint_of(server) as endpoint,
    ):
        came = await call(Caller(endpoint), stopped=lambda: True)
    assert came.attempts == 1
    assert came.error is not None


async def test_retry_after_is_waited_for() -> None:
    fault = Fault(status=429, headers={"retry-after-ms": "1000"})
    async with RehearsalServer(plain=True, faults=[fault]) as server, endpoint_of(server) as endpoint:
        came = await call(Caller(endpoint))
        first, second = (request.at for request in server.requests)
    assert came.document is not None
    assert second - first >= 0.99
    assert came.latency < second - first  # of the last sending alone


@pytest.mark.slow
async def test_after_a_burst_of_429s_the_starts_are_spread() -> None:
    """Forty at once are too many for a server that takes eight: after the cooldown they do not all come again. Its
    first answers are slow, so that also on a busy machine the forty come before the first is answered."""
    latency = 2.0
    async with (
        RehearsalServer(plain=True, max_in_flight=8, latency=latency) as server,
        endpoint_of(server, retry=RetryPolicy(20, 0.01), max_in_flight=40) as endpoint,
    ):
        adaptive = AdaptiveConcurrency(40, first=40)
        caller = Caller(endpoint, adaptive)
        calls = asyncio.gather(*(call(caller, f"Say {n}") for n in range(80)))
        await until(lambda: len(server.requests) >= 40)
        server.latency = 0.4
        outcomes = await calls
        refused = [request.at for request in server.requests if request.status == 429]
    assert all(came.document is not None for came in outcomes)
    burst = sum(at < refused[0] + 0.9 * latency for at in refused)
    assert burst >= 20  # it was one
    assert len(refused) - burst < 40  # and no second one came of it
    assert sum(came.refused for came in outcomes) == len(refused)
    assert adaptive.episodes == 1
    assert adaptive.value < 40


async def _refused_at_the_allowed_rate(told: bool) -> tuple[int, float]:
    """How many of 150 requests were refused, and how long they took: two and a bit windows of 3 s stand for minutes."""
    plain = Plain(rpm=1_200, tpm=120_000, window=3.0, headers=told)
    rpm, tpm = (None, None) if told else (60, 6_000)
    async with (
        RehearsalServer(plain=plain, record=0) as server,
        endpoint_of(server, max_in_flight=20, window=3.0, rpm=rpm, tpm=tpm) as endpoint,
    ):
        caller = Caller(endpoint)
        began = time.monotonic()
        outcomes = await asyncio.gather(*(call(caller, f"Say {n}") for n in range(150)))
        seconds = time.monotonic() - began
    assert server.plain is not None
    assert all(came.document is not None for came in outcomes)
    assert len(server.plain.passed) == 150
    return server.plain.refused, seconds


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.slow
async def test_the_allowed_rate_is_used_and_hardly_passed(told: bool) -> None:
    """Limits that the endpoint tells, or that we were given. A machine that stands still for a tenth of a second lets
    requests arrive in another window than they were sent for, so that one good course of three is enough."""
    for _ in range(3):
        refused, seconds = await _refused_at_the_allowed_rate(told)
        if refused <= 0.02 * 150 + 1 and seconds < 15:  # two windows have to pass: 6.2 s
            return
    pytest.fail(f"{refused} requests were refused, in {seconds:.1f} s")


async def test_a_limit_of_a_day_does_not_stall() -> None:
    """200 a day, 180 left: nothing is held back as long as something is left."""
    headers = {"x-ratelimit-limit-requests": "200", "x-ratelimit-reset-requests": "21h4m0s"}
    answer = '{"choices": [{"message": {"content": "ok"}}]}'
    faults = [
        Fault(
            kind="garbage",
            body=answer,
            headers={**headers, "x-ratelimit-remaining-requests": str(50 - n % 50)},
        )
        for n in range(300)
    ]
    async with (
        RehearsalServer(plain=True, faults=faults) as server,
        endpoint_of(server, max_in_flight=10) as endpoint,
    ):
        caller = Caller(endpoint)
        async with asyncio.timeout(PATIENCE):
            outcomes = await asyncio.gather(*(call(caller, f"Say {n}") for n in range(300)))
    assert all(came.document is not None for came in outcomes)


A_DAY = Fault(status=429, headers={"retry-after": "7200"})


async def test_a_quota_that_comes_back_is_waited_for_and_costs_no_retry() -> None:
    quota = QuotaGate(3 * 3_600)
    async with (
        RehearsalServer(plain=True, faults=[A_DAY]) as server,
        endpoint_of(server, retry=RetryPolicy(max_retries=0), quota=quota) as endpoint,
    ):
        caller = Caller(endpoint)
        calls = [asyncio.ensure_future(call(caller, text)) for text in "abc"]
        await until(lambda: quota.used_up is not None)
        asked = len(server.requests)
        late = asyncio.ensure_future(call(caller, "d"))
        await asyncio.sleep(0.05)
        assert len(server.requests) == asked  # nobody asks while it is used up
        assert quota.try_now()
        came = await asyncio.wait_for(asyncio.gather(*calls, late), PATIENCE)
    assert [one.error for one in came] == [None] * 4
    assert sum(one.refused for one in came) == 1


async def test_a_quota_that_takes_too_long_stops_the_batch() -> None:
    came = await outcome(A_DAY)
    assert came.error is not None
    assert (came.error.kind, came.attempts) == ("endpoint", 1)
    assert "--wait-for-quota" in came.error.text


async def test_no_quota_is_waited_for_where_the_batch_has_stopped() -> None:
    quota = QuotaGate(3 * 3_600)
    async with (
        RehearsalServer(plain=True, faults=[A_DAY]) as server,
        endpoint_of(server, quota=quota) as endpoint,
    ):
        came = await call(Caller(endpoint), stopped=lambda: True)
    assert came.error is not None
    assert quota.used_up is None


async def test_a_wait_that_is_named_rules_over_the_limits_headers() -> None:
    """It says when it takes the next request; that nothing remains until a later reset is of its count."""
    headers = {
        "retry-after-ms": "20",
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "3600",
    }
    came = await asyncio.wait_for(outcome(Fault(status=429, headers=headers)), PATIENCE)
    assert (came.error, came.attempts) == (None, 2)
