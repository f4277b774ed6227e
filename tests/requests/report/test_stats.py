"""The figures of a batch."""

import json

import pytest

from agentbatch.display.requests.summary import advice_of
from agentbatch.rehearsal.script import Fault
from agentbatch.requests import BatchRequest
from agentbatch.requests.report.latency import Durations
from agentbatch.requests.report.stats import MAX_FAILED, BatchStats
from agentbatch.requests.spec.result import BatchError, BatchResult
from agentbatch.usage import Usage
from tests.requests.conftest import Serve


def good(number: int = 0, **changes: object) -> BatchResult:
    given = {
        "usage": Usage(input=10, output=5, calls=1),
        "cost": 0.25,
        "attempts": 1,
        "wait": 0.5,
        "latency": 2.0,
    }
    return BatchResult(f"r{number}", number, **{**given, **changes})  # type: ignore[arg-type]


def bad(number: int = 0, **changes: object) -> BatchResult:
    given = {"error": BatchError("400", f"No {number}."), "usage": Usage(), "cost": 0.0}
    return good(number, **{**given, **changes})


def counted(*results: BatchResult, **given: object) -> BatchStats:
    stats = BatchStats(**given)  # type: ignore[arg-type]
    for result in results:
        stats.add(result)
    return stats


def test_of_nothing_nothing_is_divided_by_zero() -> None:
    none = BatchStats()
    assert (none.rate, none.elapsed, none.left, none.tokens_each) == (0.0, 0.0, None, 0.0)
    assert (none.failure_rate, none.refusal_rate, none.again_rate) == (0.0, 0.0, 0.0)
    assert str(none).splitlines() == [
        "0 requests: 0 ok, 0 failed, 0 skipped",
        "latency –",
        "queue wait –",
        "0.0 items/s, 0 tokens/item",
        "0.0% of the calls answered 429, 0.0% of the requests failed",
        "cost $0.00",
    ]


def test_results_are_counted() -> None:
    stats = counted(
        good(0, attempts=3, refused=2),
        good(1, reasked=1, attempts=2),
        bad(2),
        good(3, cached=True, attempts=0),
    )
    assert (stats.ok, stats.failed, stats.cached, stats.done) == (3, 1, 1, 4)
    assert (stats.attempts, stats.refused, stats.retries, stats.reasked) == (6, 2, 2, 1)
    assert stats.failures == [("r2", "No 2.")]
    assert (stats.failure_rate, stats.refusal_rate) == (0.25, 2 / 6)
    assert (stats.usage.total, stats.tokens_each, stats.cost) == (30, 10.0, 0.5)
    assert stats.latency.count == 2  # of answered calls: no failure, none of the cache's
    assert stats.wait.count == 3


def test_a_request_that_is_asked_again_counts_once() -> None:
    stats = counted(good(0, reasked=3, attempts=4), good(1), good(2), bad(3, reasked=1, attempts=2))
    assert (stats.reasked, stats.asked_again, stats.again_rate) == (4, 2, 0.5)


def test_what_one_price_does_not_tell_the_sum_does_not() -> None:
    assert counted(good(0), good(1, cost=None), good(2)).cost is None


def test_a_clock_that_starts_at_zero() -> None:
    now = [0.0]
    stats = counted(good(0), good(1), total=10, clock=lambda: now[0])
    stats.started_at = stats.clock()
    now[0] = 4.0
    assert (stats.elapsed, stats.rate, stats.left) == (4.0, 0.5, 16.0)
    stats.ended_at = stats.clock()
    now[0] = 99.0
    assert stats.elapsed == 4.0


def test_what_earlier_sessions_did_is_no_work_of_this_one() -> None:
    stats = counted(good(0), bad(1), total=10, skipped=6, started_at=0.0, ended_at=2.0)
    assert (stats.done, stats.rate, stats.left, stats.failure_rate) == (8, 1.0, 2.0, 0.5)


def test_failures_are_kept_up_to_a_number() -> None:
    stats = counted(*(bad(n) for n in range(MAX_FAILED + 5)))
    assert stats.failed == MAX_FAILED + 5
    assert len(stats.failures) == MAX_FAILED


def test_how_they_print() -> None:
    stats = counted(
        *(good(n, attempts=2, refused=1) for n in range(3)),
        bad(3),
        total=1_200,
        skipped=8,
        started_at=0.0,
        ended_at=8.0,
    )
    assert str(stats).splitlines() == [
        "1,200 requests: 3 ok, 1 failed, 8 skipped",
        "latency avg 2.00 s, p50 2.00, p95 2.00, p99 2.00, min 2.00, max 2.00",
        "queue wait avg 0.50 s, p50 0.50, p95 0.50, p99 0.50, min 0.50, max 0.50",
        "0.5 items/s, 11 tokens/item",
        "42.9% of the calls answered 429, 25.0% of the requests failed",
        "cost $0.7500",
        "failed: r3",
    ]


@pytest.mark.parametrize(
    ("number", "end"), [(20, "r18, r19"), (21, "r19 and 1 more"), (15_000, "and 14,980 more")]
)
def test_twenty_failed_ids_are_printed(number: int, end: str) -> None:
    last = str(counted(*(bad(n) for n in range(number)))).splitlines()[-1]
    assert last.startswith("failed: r0, r1, ")
    assert last.endswith(end)


def test_an_id_cannot_act_on_a_terminal() -> None:
    stats = BatchStats(failed=1, failures=[("a\x1b[2J\nb", "No.")])
    assert str(stats).splitlines()[-1] == "failed: a b"


def test_an_unknown_cost_is_not_told_as_nothing() -> None:
    assert "cost –" in str(counted(good(cost=None)))
    assert str(BatchStats(latency=Durations())).splitlines()[1] == "latency –"


def test_the_line_of_a_result_is_not_in_its_repr() -> None:
    assert "made_line" not in repr(good(made_line="x" * 50))


async def test_packs_that_fail_show_in_the_figures_and_in_the_advice(serve: Serve) -> None:
    asks = [BatchRequest.ask(f"r{n}", f"Say {n}") for n in range(60)]
    choice = {"index": 0, "finish_reason": "stop", "message": {"content": "I lost track."}}
    lost = {"choices": [choice], "usage": {"prompt_tokens": 10, "completion_tokens": 4}}
    faults = [Fault(kind="garbage", body=json.dumps(lost), times=4)]
    async with serve(server={"faults": faults}, batch_size=5) as (processor, _):
        careless = (await processor.run(asks)).stats
    async with serve(batch_size=5) as (processor, _):
        careful = (await processor.run(asks)).stats
    assert (careless.ok, careful.ok) == (60, 60)
    assert 0.1 < careless.again_rate < 0.5
    assert careful.again_rate == 0.0
    assert "of the items had to be asked again" in advice_of(
        careless, concurrency=10, batch_size=5, limited=False
    )
    assert advice_of(careful, concurrency=10, batch_size=5, limited=False) == ""
