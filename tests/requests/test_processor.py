"""Whole batches in this process: real HTTP to the rehearsal server."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agentbatch.errors import UserError
from agentbatch.rehearsal.script import Fault
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.requests import (
    BatchProcessor,
    BatchProgress,
    BatchRequest,
    ProgressTracker,
    ResponseCache,
    RetryPolicy,
)
from agentbatch.spending.pricing import Prices
from tests.support.clocks import MovedClock
from tests.support.keys import KEY
from tests.support.waiting import until


@asynccontextmanager
async def served(
    faults: Sequence[Fault] = (), server: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[tuple[BatchProcessor, RehearsalServer]]:
    async with RehearsalServer(plain=True, key=KEY, faults=faults, **(server or {})) as rehearsal:
        given = {"model": "m", "retry": RetryPolicy(delay=0.01), **options}
        async with BatchProcessor(base_url=rehearsal.base_url, api_key=KEY, **given) as processor:
            yield processor, rehearsal


def asks(count: int) -> list[BatchRequest]:
    return [BatchRequest.ask(f"r{n}", f"Say {n}") for n in range(count)]


async def test_every_request_is_answered_once_in_input_order() -> None:
    async with served(concurrency=7) as (processor, server):
        run = await processor.run(asks(60))
    assert [result.id for result in run.results] == [f"r{n}" for n in range(60)]
    assert all(result.ok and result.text for result in run.results)
    assert len(server.requests) == 60
    assert server.peak_in_flight <= 7
    assert (run.stats.ok, run.stats.failed, run.stats.attempts) == (60, 0, 60)
    assert run.stats.usage.input == sum(result.usage.input for result in run.results) > 0
    line = json.loads(run.results[3].line())
    assert line["custom_id"] == "r3"
    assert line["response"]["status_code"] == 200
    assert line["response"]["body"]["choices"]
    assert line["error"] is None


async def test_a_key_that_an_answer_repeats_is_not_kept(tmp_path: Path) -> None:
    said = f"It is {KEY}, or {KEY[:9]}\0{KEY[9:]}, or {KEY[::-1]}."
    document = {"model": KEY, "choices": [{"message": {"role": "assistant", "content": said}}]}
    fault = Fault(kind="garbage", body=json.dumps(document))
    async with served([fault], journal=tmp_path / "requests.db") as (processor, _):
        run = await processor.run(asks(1))
    assert run.results[0].text == "It is [redacted], or [redacted], or [redacted]."
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"[redacted]" in kept
    assert KEY[9:].encode() not in kept


async def test_a_request_that_is_refused_fails_alone() -> None:
    async with served([Fault(status=400, message="too odd")], concurrency=1) as (processor, _):
        run = await processor.run(asks(5))
    assert [result.ok for result in run.results] == [False, True, True, True, True]
    failed = run.results[0]
    assert failed.status_code == 400
    assert failed.error is not None
    assert "too odd" in failed.error.message
    assert run.stopped == ""
    assert run.stats.failures == [("r0", failed.error.message)]


async def test_bad_moments_are_tried_again() -> None:
    faults = [Fault(status=503), Fault(kind="disconnect"), Fault(kind="garbage"), Fault(kind="short")]
    async with served(faults, concurrency=2) as (processor, server):
        run = await processor.run(asks(4))
    assert all(result.ok for result in run.results)
    assert len(server.requests) == 8
    assert run.stats.retries in (
        3,
        4,
    )  # on a connection that was used before, the transport itself sends once more


async def test_retries_end_with_the_true_reason() -> None:
    async with served([Fault(status=503, times=2)], concurrency=1, retry=RetryPolicy(1, 0.01)) as (
        processor,
        _,
    ):
        run = await processor.run(asks(2))
    assert run.results[0].error is not None
    assert "503" in run.results[0].error.message
    assert "after 2 attempts" in run.results[0].error.message
    assert run.results[1].ok


async def test_no_quota_stops_the_batch_and_it_goes_on(tmp_path: Path) -> None:
    journal = tmp_path / "j.db"
    quota = Fault(status=429, code="insufficient_quota", message="You exceeded your current quota.")
    async with served(concurrency=1, journal=journal) as (processor, _):
        await processor.run(asks(3))
    async with RehearsalServer(plain=True, key=KEY, faults=[quota]) as server:
        given: dict[str, Any] = {"api_key": KEY, "model": "m", "journal": journal, "concurrency": 2}
        async with BatchProcessor(base_url=server.base_url, **given) as processor:
            run = await processor.run(asks(20))
            assert "quota" in run.stopped
            left = [result for result in run.results if not result.ok]
            assert left
            assert {result.error.code for result in left if result.error} == {"stopped"}
            answered = sum(result.ok for result in run.results)
            again = await processor.run(asks(20))
        assert again.stopped == ""
        assert all(result.ok for result in again.results)
        assert again.stats.skipped == answered


async def test_what_asks_the_same_is_paid_once() -> None:
    twice = [BatchRequest.ask(f"r{n}", f"Say {n % 3}") for n in range(12)]
    async with served(concurrency=5) as (processor, server):
        run = await processor.run(twice)
    assert len(server.requests) == 3
    assert [result.text for result in run.results[:3]] * 4 == [result.text for result in run.results]
    assert [result.id for result in run.results] == [f"r{n}" for n in range(12)]
    assert run.stats.cached == 9
    async with served(concurrency=5, dedupe=False) as (processor, server):
        await processor.run(twice)
    assert len(server.requests) == 12


async def test_answers_are_kept_for_later_batches(tmp_path: Path) -> None:
    async with RehearsalServer(plain=True, key=KEY) as server:
        for expected in (4, 4):
            cache = ResponseCache(tmp_path / "cache.db")
            async with BatchProcessor(
                base_url=server.base_url, api_key=KEY, model="m", cache=cache
            ) as processor:
                run = await processor.run(asks(4))
            cache.close()
            assert all(result.ok for result in run.results)
            assert len(server.requests) == expected
        assert run.stats.cached == 4
        assert [result.id for result in run.results] == ["r0", "r1", "r2", "r3"]


async def test_an_answer_that_breaks_its_schema_is_asked_for_again() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    bad = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"content": '{"n": "one"}'}}],
           "usage": {"prompt_tokens": 10, "completion_tokens": 4}}  # fmt: skip
    wrong = Fault(kind="garbage", body=json.dumps(bad))
    async with served([wrong], concurrency=1, json_schema=schema) as (processor, server):
        run = await processor.run(asks(2))
    assert [result.data for result in run.results] == [{"n": 1}, {"n": 1}]
    assert run.stats.reasked == 1
    assert run.stats.retries == 0
    assert "is not of type 'integer'" in server.requests[1].body["messages"][-1]["content"]
    async with served([wrong, wrong], concurrency=1, json_schema=schema) as (processor, _):
        run = await processor.run(asks(1))
    (failed,) = run.results
    assert failed.error is not None
    assert failed.error.code == "invalid_answer"
    assert failed.usage.total >= 28  # both calls are on the bill


async def test_the_batch_has_a_time_of_its_own() -> None:
    async with served([Fault(kind="hang", times=50)], concurrency=3, timeout=0.3) as (processor, _):
        run = await processor.run(asks(10))
    assert "time of 0.3 s is over" in run.stopped
    assert not any(result.ok for result in run.results)


async def test_a_request_has_its_patience() -> None:
    hang = [Fault(kind="hang")]
    async with served(hang, request_timeout=60.0, concurrency=1, retry=RetryPolicy(0)) as (processor, server):
        clock = MovedClock()
        running = asyncio.ensure_future(processor.run(asks(2)))
        await until(lambda: server.requests)
        clock.move_on(61)
        run = await running
    assert run.results[0].error is not None
    assert "no answer within 60 s" in run.results[0].error.message
    assert run.results[1].ok


async def test_callbacks_and_a_fallback() -> None:
    told: list[BatchProgress] = []
    failed: list[str] = []
    async with served(
        [Fault(status=400)], concurrency=1, on_progress=told.append,
        on_error=lambda result: failed.append(result.id), fallback=lambda request, error: f"for {request.id}",
    ) as (processor, _):  # fmt: skip
        run = await processor.run(asks(3))
    assert failed == ["r0"]
    assert run.results[0].fallback == "for r0"
    last = told[-1]
    assert (last.total, last.completed, last.failed, last.share) == (3, 3, 1, 1.0)


async def test_a_stream_that_is_left_early_ends_everything() -> None:
    async with served(server={"latency": 0.05}, concurrency=4) as (processor, server):
        async with aclosing(processor.stream(asks(200))) as stream:
            async for _ in stream:
                break
        await asyncio.sleep(0.2)
        seen = len(server.requests)
        await asyncio.sleep(0.2)
        assert len(server.requests) == seen < 30


async def test_requests_may_come_as_they_are_made() -> None:
    async def made() -> AsyncIterator[BatchRequest]:
        for request in asks(30):
            await asyncio.sleep(0)
            yield request

    async with served() as (processor, _):
        found = [result.id async for result in processor.stream(made())]
    assert sorted(found) == sorted(f"r{n}" for n in range(30))


@pytest.mark.parametrize(
    ("requests", "told"),
    [
        (lambda: [*asks(2), *asks(1)], "'r0' stands in the batch twice"),
        (lambda: [BatchRequest(id="x", body={"messages": []})], None),
    ],
)
async def test_requests_that_cannot_be_sent(
    requests: Callable[[], list[BatchRequest]], told: str | None
) -> None:
    async with served(model="m" if told else "") as (processor, _):
        with pytest.raises(UserError, match=told or "names no model"):
            await processor.run(requests())


async def test_a_budget_ends_it_before_it_is_passed(tmp_path: Path) -> None:
    own = tmp_path / "prices.toml"
    own.write_text('[models."m"]\ninput = 0.0\noutput = 1000000.0\n')
    async with served(concurrency=4, prices=Prices.load(own), max_cost=500.0, max_tokens=10) as (
        processor,
        server,
    ):
        run = await processor.run(asks(200))
    assert run.stopped
    assert run.stats.cost is not None
    assert (
        400.0 < run.stats.cost <= 500.0 + 4 * 20.0
    )  # calls under way may take a little more than was expected
    assert 10 < len(server.requests) < 100


async def test_429s_slow_it_down_and_nothing_is_lost() -> None:
    async with served(server={"max_in_flight": 5, "latency": 0.02}, concurrency=40) as (processor, _server):
        run = await processor.run(asks(150))
    assert all(result.ok for result in run.results)
    assert run.stats.refused == run.stats.attempts - 150
    assert run.stats.refused < 60


def test_counting_by_hand() -> None:
    told: list[int] = []
    clock = iter(range(100))
    tracker = ProgressTracker(4, lambda progress: told.append(progress.completed), lambda: next(clock))
    tracker.completed()
    tracker.failed()
    tracker.completed(2)
    assert told == [1, 2, 4]
    assert tracker.progress.failed == 1
    assert tracker.progress.bar(4) == "████"
