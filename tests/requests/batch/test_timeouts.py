"""The time of a request, and the time of a whole batch."""

from agentbatch.rehearsal.script import Fault
from agentbatch.requests import BatchRequest, BatchRun, RetryPolicy
from tests.requests.conftest import Serve


def asks(count: int) -> list[BatchRequest]:
    return [BatchRequest.ask(f"r{n}", f"Say {n}") for n in range(count)]


def codes(run: BatchRun) -> set[str]:
    return {result.error.code for result in run.results if result.error is not None}


async def test_what_the_batch_s_time_cut_off_says_so(serve: Serve) -> None:
    hang = {"faults": [Fault(kind="hang", times=50)]}
    async with serve(server=hang, concurrency=3, timeout=0.3) as (processor, _):
        run = await processor.run(asks(10))
    assert (len(run.results), codes(run), run.timed_out) == (10, {"batch_timeout"}, True)
    assert [result.id for result in run.results] == [f"r{n}" for n in range(10)]  # also those never taken in
    assert all("time of 0.3 s is over" in str(result.error) for result in run.results)


async def test_a_request_s_own_time_is_another_thing(serve: Serve) -> None:
    hang = {"faults": [Fault(kind="hang")]}
    async with serve(server=hang, concurrency=1, request_timeout=0.2, retry=RetryPolicy(0)) as (processor, _):
        run = await processor.run(asks(2))
    assert (codes(run), run.timed_out, run.stopped) == ({"timeout"}, False, "")


async def test_who_stops_a_batch_does_not_time_it_out(serve: Serve) -> None:
    async with serve(server={"latency": 0.05}, concurrency=1, timeout=3_600.0) as (processor, _):
        processor.on_progress = lambda progress: processor.stop("Enough.")
        run = await processor.run(asks(200))
        assert (codes(run), run.timed_out, run.stopped) == ({"stopped"}, False, "Enough.")


async def test_the_next_batch_has_its_own_time(serve: Serve) -> None:
    hang = {"faults": [Fault(kind="hang")]}
    async with serve(server=hang, concurrency=1, timeout=0.5) as (processor, _):
        first = await processor.run(asks(1))
        second = await processor.run([])
    assert (first.timed_out, second.timed_out) == (True, False)
