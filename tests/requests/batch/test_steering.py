"""A running batch takes commands: paused, stopped, given more concurrency, detached."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing
from pathlib import Path

import pytest

from agentbatch.model.limits.limits import EndpointLimits
from agentbatch.rehearsal.script import Fault
from agentbatch.requests import BatchProcessor, BatchRequest, BatchResult, ResponseCache, RetryPolicy
from agentbatch.requests.batch.workers import Workers
from agentbatch.requests.journal.journal import Journal
from tests.requests.conftest import Serve
from tests.support.keys import KEY
from tests.support.waiting import PATIENCE, until

A_WHILE = 0.5
"""Seconds in which a batch that is not paused sends a lot."""


def asks(count: int) -> list[BatchRequest]:
    return [BatchRequest.ask(f"r{n}", f"Say {n}") for n in range(count)]


# pause -----------------------------------------------------------------------------------------------------------


async def test_a_pause_holds_requests_that_wait_for_their_turn(serve: Serve) -> None:
    async with serve(concurrency=30, server={"latency": 0.05}) as (processor, server):
        running = asyncio.ensure_future(processor.run(asks(100)))
        await until(lambda: len(server.requests) >= 4)
        processor.pause()
        await until(lambda: not processor.endpoint.limits.active)
        sent = len(server.requests)
        await asyncio.sleep(A_WHILE)
        assert len(server.requests) == sent < 100
        assert processor.endpoint.limits.waiting > 0
        processor.go_on()
        run = await asyncio.wait_for(running, PATIENCE)
    assert run.stats.ok == 100
    assert len(server.requests) == 100


async def test_a_pause_holds_retries(serve: Serve) -> None:
    refusals = [Fault(status=429, times=3, headers={"retry-after-ms": "1000"})]
    async with serve(concurrency=3, adaptive=False, server={"faults": refusals}) as (
        processor,
        server,
    ):
        running = asyncio.ensure_future(processor.run(asks(3)))
        await until(lambda: len(server.requests) == 3)
        processor.pause()
        await until(lambda: not processor.endpoint.limits.active)
        await asyncio.sleep(1 + A_WHILE)
        assert len(server.requests) == 3
        processor.go_on()
        run = await asyncio.wait_for(running, PATIENCE)
    assert (run.stats.ok, run.stats.refused) == (3, 3)


@pytest.mark.parametrize("now", [False, True])
async def test_a_paused_batch_can_be_stopped_and_the_next_one_runs(serve: Serve, now: bool) -> None:
    async with serve(concurrency=30, server={"latency": 0.05}) as (processor, _):
        running = asyncio.ensure_future(processor.run(asks(100)))
        await until(lambda: processor.stats.ok > 0)
        processor.pause()
        processor.stop(now=now)
        run = await asyncio.wait_for(running, PATIENCE)
        assert 0 < run.stats.ok < 100
        async with asyncio.timeout(PATIENCE), processor.endpoint.limits.slot(1):
            pass  # others may use the endpoint
        again = await asyncio.wait_for(processor.run(asks(5)), PATIENCE)
    assert again.stats.ok == 5


async def test_held_limits_start_nothing_and_tell_why() -> None:
    limits = EndpointLimits(max_in_flight=1)
    told: list[str] = []
    limits.pause()
    waiter = asyncio.ensure_future(limits.slot(1, lambda seconds, reason: told.append(reason)).__aenter__())
    await asyncio.sleep(0)
    limits.set_max_in_flight(5)  # as an adaptive ceiling does at any moment
    assert (limits.active, limits.waiting, told) == (0, 1, ["pause"])
    limits.resume()
    await waiter
    assert (limits.active, limits.waiting) == (1, 0)


# stop ------------------------------------------------------------------------------------------------------------


async def test_what_is_recorded_is_told_though_a_stop_cuts_calls_off(serve: Serve, tmp_path: Path) -> None:
    async with serve(concurrency=2, journal=tmp_path / "j.db") as (processor, _):
        told = await told_by_a_slow_reader(processor)
    with closing(Journal(tmp_path / "j.db")) as journal:
        assert len(told) == journal.counts_since(0)["ok"] < 40


async def test_what_a_cache_answered_is_told_though_a_stop_cuts_calls_off(
    serve: Serve, tmp_path: Path
) -> None:
    with closing(ResponseCache(tmp_path / "cache.db")) as cache:
        async with serve(cache=cache, concurrency=2, journal=tmp_path / "j.db") as (processor, server):
            async with BatchProcessor(base_url=server.base_url, api_key=KEY, model="m", cache=cache) as first:
                assert (await first.run(asks(40))).stats.ok == 40
            told = await told_by_a_slow_reader(processor)
            assert len(server.requests) == 40  # all came out of the cache
    with closing(Journal(tmp_path / "j.db")) as journal:
        assert len(told) == journal.counts_since(0)["ok"] < 40


async def test_what_others_asked_too_is_told_though_a_stop_comes(serve: Serve, tmp_path: Path) -> None:
    """Their answers are there when they are taken in."""
    same = [BatchRequest.ask(f"same{n}", "Say the same") for n in range(40)]
    async with serve(concurrency=2, journal=tmp_path / "j.db") as (processor, _):
        assert (await processor.run(same[:1])).stats.ok == 1
        told = await told_by_a_slow_reader(processor, same)
    with closing(Journal(tmp_path / "j.db")) as journal:
        assert len(told) == journal.counts_since(0)["ok"] < 40


async def told_by_a_slow_reader(
    processor: BatchProcessor, requests: list[BatchRequest] | None = None
) -> list[BatchResult]:
    """Results of a batch that is stopped while more answers are in hand than have room on the way out."""
    told = []
    async for result in processor.stream(asks(40) if requests is None else requests):
        told.append(result)
        if len(told) == 1:
            await asyncio.sleep(A_WHILE)
            processor.stop(now=True)
    return told


async def test_what_counts_as_sent_was_sent_whenever_a_stop_comes(serve: Serve, tmp_path: Path) -> None:
    """The stop comes one turn of the event loop later each time, over the whole beginning of a batch."""
    async with serve() as (_, server):
        for turns in range(40):
            path, before = tmp_path / f"{turns}.db", len(server.requests)
            async with BatchProcessor(
                base_url=server.base_url,
                api_key=KEY,
                model="m",
                concurrency=3,
                adaptive=False,
                journal=path,
                retry=RetryPolicy(delay=0.01),
            ) as processor:
                running = asyncio.ensure_future(processor.run(asks(3)))
                for _ in range(turns):
                    await asyncio.sleep(0)
                processor.stop()
                await asyncio.wait_for(running, PATIENCE)
            with closing(Journal(path)) as journal:
                assert journal.spent().attempts == len(server.requests) - before, turns


# concurrency -----------------------------------------------------------------------------------------------------


async def test_more_at_once_than_at_the_beginning_are_under_way(serve: Serve) -> None:
    async with serve(concurrency=4, adaptive=False, server={"latency": 0.5}) as (processor, server):
        running = asyncio.ensure_future(processor.run(asks(120)))
        await until(lambda: len(server.requests) == 4)
        processor.set_concurrency(40)
        run = await asyncio.wait_for(running, PATIENCE)
    assert run.stats.ok == 120
    assert server.peak_in_flight == 40


async def test_a_concurrency_under_one_is_refused_and_changes_nothing(serve: Serve) -> None:
    async with serve(concurrency=4, adaptive=False) as (processor, _):
        with pytest.raises(ValueError, match="1 or more"):
            processor.set_concurrency(0)
        assert processor.concurrency == processor.endpoint.limits.max_in_flight == 4
        assert (await processor.run(asks(3))).stats.ok == 3


async def test_a_worker_that_was_added_later_is_heard_when_it_breaks() -> None:
    workers, forever = Workers(), asyncio.Event()

    async def waits() -> None:
        await forever.wait()

    async def breaks() -> None:
        raise OSError("The disk is full.")

    workers.add(waits())
    end = asyncio.ensure_future(workers.ended())
    await asyncio.sleep(0)
    workers.add(breaks())
    with pytest.raises(OSError, match="full"):
        await asyncio.wait_for(end, PATIENCE)
    assert workers.running == 1
    await workers.cancel()
    assert workers.running == 0


async def test_a_batch_ends_though_a_worker_that_was_added_later_broke(serve: Serve) -> None:
    """The first ones wait for answers that do not come."""

    def refuse(result: BatchResult) -> None:
        raise RuntimeError("nobody wants it")

    faults = [Fault(kind="hang", times=2), Fault(status=400, times=20)]
    async with serve(concurrency=2, adaptive=False, on_error=refuse, server={"faults": faults}) as (
        processor,
        server,
    ):
        running = asyncio.ensure_future(processor.run(asks(10)))
        await until(lambda: len(server.requests) == 2)
        processor.set_concurrency(4)
        with pytest.raises(RuntimeError, match="nobody wants it"):
            await asyncio.wait_for(running, PATIENCE)


# earlier sessions ------------------------------------------------------------------------------------------------


async def test_failures_of_an_earlier_session_are_not_this_ones(serve: Serve, tmp_path: Path) -> None:
    path, faults = tmp_path / "j.db", [Fault(status=400, times=2)]
    async with serve(concurrency=1, journal=path, server={"faults": faults}) as (processor, _):
        first = await processor.run(asks(3))
        assert (first.stats.ok, first.stats.failed) == (1, 2)
        run = await processor.run(asks(4))
    assert (run.stats.ok, run.stats.failed, run.stats.skipped) == (1, 0, 3)
    assert (run.stats.done, run.stats.failure_rate) == (4, 0.0)
    assert [result.ok for result in run.results] == [False, False, True, True]  # they are still told


# leaving ---------------------------------------------------------------------------------------------------------


async def test_who_leaves_a_stream_has_their_generator_closed(serve: Serve) -> None:
    closed = []

    async def made() -> AsyncIterator[BatchRequest]:
        try:
            for request in asks(500):
                yield request
        finally:
            closed.append(True)

    requests = made()  # referred to from here, so that it is not the end of all references that closes it
    async with serve(concurrency=2) as (processor, _), aclosing(processor.stream(requests)) as stream:
        async for _result in stream:
            break
        assert not closed
        await stream.aclose()
        assert closed == [True]


async def test_a_plain_iterator_stays_open_for_its_owner(serve: Serve) -> None:
    def made() -> Iterator[BatchRequest]:
        yield from asks(500)

    requests = made()
    async with serve(concurrency=2) as (processor, _), aclosing(processor.stream(requests)) as stream:
        async for _result in stream:
            break
        await stream.aclose()
        assert next(requests).id
