"""The run's budget with real concurrency: who starts, who waits, who is refused."""

import asyncio
import random
from typing import Any

import pytest

from agentbatch.spending.budget import BudgetExhausted, Reservation, RunBudget, TaskBudget
from agentbatch.usage import Usage
from tests.support.waiting import PATIENCE


def of_run(budget: RunBudget, task_id: str = "t", **limits: Any) -> TaskBudget:
    task = budget.task(task_id, **limits)
    assert task is not None
    return task


def bill(reservation: Reservation, tokens: int, cost: float | None = None) -> None:
    reservation.settle("coder", Usage(input=tokens, calls=1), cost)


async def spin() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def refused(task: TaskBudget, tokens: int = 1, cost: float | None = None) -> BudgetExhausted:
    with pytest.raises(BudgetExhausted) as caught:
        await asyncio.wait_for(task.reserve("m", tokens, cost), PATIENCE)
    return caught.value


@pytest.mark.parametrize("seed", range(5))
async def test_twenty_at_once_pass_the_limit_by_less_than_a_call_each(seed: int) -> None:
    rng = random.Random(seed)
    told: list[str] = []
    budget = RunBudget(max_cost=1.0, on_exhausted=told.append)
    spent = 0.0
    beyond: dict[int, float] = {}
    """What each caller's last call took beyond its estimate: no call starts after the one that passes the limit."""
    at_once = most_at_once = 0

    async def caller(number: int) -> None:
        nonlocal spent, at_once, most_at_once
        task = of_run(budget, f"t{number}")
        while True:
            expected = rng.uniform(0.005, 0.02)
            try:
                reservation = await task.reserve("m", 10, expected)
            except BudgetExhausted:
                return
            at_once += 1
            most_at_once = max(most_at_once, at_once)
            for _ in range(rng.randrange(4)):
                await asyncio.sleep(0)
            actual = expected * rng.uniform(0.5, 2.0)
            beyond[number] = max(0.0, actual - expected)
            spent += actual
            at_once -= 1
            bill(reservation, 10, actual)

    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(caller(n) for n in range(20)))
    assert 0.8 < spent <= 1.0 + sum(beyond.values())
    assert most_at_once > 10, "the callers were at work together"
    assert told == [budget.exhausted]


async def test_a_call_waits_for_what_others_hold_and_goes_when_they_took_less() -> None:
    budget = RunBudget(max_tokens=100)
    one, two = of_run(budget, "one"), of_run(budget, "two")
    first = await one.reserve("m", 60, None)
    second = asyncio.ensure_future(two.reserve("m", 60, None))
    await spin()
    assert not second.done()
    bill(first, 40)
    bill(await asyncio.wait_for(second, PATIENCE), 60)
    assert not budget.exhausted
    assert "100 tokens is used up (100 used)" in str(await refused(one))


async def test_a_call_that_waited_is_refused_when_others_took_more() -> None:
    told: list[str] = []
    budget = RunBudget(max_tokens=100, on_exhausted=told.append)
    task = of_run(budget)
    first = await task.reserve("m", 60, None)
    second = asyncio.ensure_future(refused(task, 40 + 1))
    await spin()
    assert not second.done()
    bill(first, 61)
    assert (await asyncio.wait_for(second, PATIENCE)).scope == "run"
    assert told == ["The run's budget of 100 tokens is used up (61 used; the next call takes about 41)."]


async def test_waiting_calls_start_in_the_order_of_asking_and_small_ones_do_not_overtake() -> None:
    budget = RunBudget(max_tokens=100)
    task = of_run(budget)
    first = await task.reserve("m", 90, None)
    started: list[int] = []

    async def later(number: int, tokens: int) -> None:
        reservation = await task.reserve("m", tokens, None)
        started.append(number)
        bill(reservation, 1)

    calls = [asyncio.ensure_future(later(n, tokens)) for n, tokens in enumerate((50, 1, 60, 1))]
    await spin()
    assert started == []
    bill(first, 10)
    await asyncio.wait_for(asyncio.gather(*calls), PATIENCE)
    assert started == [0, 1, 2, 3]


async def test_exhaustion_reaches_those_who_wait_those_who_come_and_smaller_calls() -> None:
    told: list[str] = []
    budget = RunBudget(max_tokens=100, on_exhausted=told.append)
    tasks = [of_run(budget, f"t{n}") for n in range(5)]
    first = await tasks[0].reserve("m", 90, None)
    waiting = [asyncio.ensure_future(refused(task, 20)) for task in tasks[1:4]]
    await spin()
    assert not any(call.done() for call in waiting)
    bill(first, 85)
    ends = await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE)
    assert {end.scope for end in ends} == {"run"}
    assert {str(end) for end in ends} == {budget.exhausted} == set(told)
    assert str(await refused(tasks[4], 1)) == budget.exhausted
    assert len(told) == 1


async def test_calls_under_way_are_billed_after_exhaustion() -> None:
    budget = RunBudget(max_tokens=100)
    task = of_run(budget)
    first = await task.reserve("m", 50, None)
    await refused(task, 101)
    bill(first, 60)
    assert task.allowance.spent_tokens == 60


async def test_a_cancelled_waiter_leaves_the_line_to_the_next() -> None:
    budget = RunBudget(max_tokens=100)
    task = of_run(budget)
    first = await task.reserve("m", 60, None)
    large = asyncio.ensure_future(task.reserve("m", 50, None))
    small = asyncio.ensure_future(task.reserve("m", 40, None))
    await spin()
    assert not small.done()
    large.cancel()
    reservation = await asyncio.wait_for(small, PATIENCE)
    assert large.cancelled()
    bill(reservation, 40)
    bill(first, 60)


async def test_cancelled_between_its_answer_and_its_waking_gives_back_what_is_held() -> None:
    budget = RunBudget(max_tokens=100)
    task = of_run(budget)
    first = await task.reserve("m", 60, None)
    second = asyncio.ensure_future(task.reserve("m", 60, None))
    await spin()
    bill(first, 10)  # answers the second, which has not run since
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    bill(await asyncio.wait_for(task.reserve("m", 90, None), PATIENCE), 90)


async def test_a_failed_call_costs_nothing() -> None:
    budget = RunBudget(max_cost=1.0, max_tokens=100)
    task = of_run(budget)
    for _ in range(5):
        (await task.reserve("m", 90, 0.9)).settle("coder", Usage(), None)
    assert (task.allowance.spent_tokens, task.allowance.spent_cost) == (0, 0.0)


async def test_earlier_sessions_count() -> None:
    run = RunBudget(max_cost=1.0, spent_cost=0.95)
    assert str(await refused(of_run(run), 1, 0.1)).startswith(
        "The run's budget of $1.00 is used up ($0.9500 spent"
    )
    run = RunBudget(max_tokens=100, spent_tokens=100)
    assert (await refused(of_run(run))).scope == "run"
    run = RunBudget()
    task = of_run(run, max_tokens=50, spent_tokens=45)
    assert str(await refused(task, 10)).startswith("The task's budget of 50 tokens is used up (45 used")
    assert not run.exhausted


async def test_a_task_that_is_at_its_end_leaves_the_others_alone() -> None:
    told: list[str] = []
    budget = RunBudget(max_tokens=1000, on_exhausted=told.append)
    small, large = of_run(budget, "small", max_tokens=10), of_run(budget, "large")
    # Too much for the run as well: but it is the task that cannot pay it.
    assert (await refused(small, 2000)).scope == "task"
    assert (await refused(small, 1)).scope == "task"
    bill(await large.reserve("m", 900, None), 900)
    assert told == []
    assert (await refused(large, 200)).scope == "run"
    assert (await refused(small, 1)).scope == "run"


async def test_a_task_has_one_budget_however_often_it_is_asked_for() -> None:
    budget = RunBudget()
    task = of_run(budget, max_tokens=100)
    bill(await task.reserve("m", 60, None), 60)
    assert budget.task("t", max_tokens=100, spent_tokens=60) is task
    assert (await refused(task, 60)).scope == "task"


async def test_without_limits_there_is_nothing_to_hold() -> None:
    assert RunBudget().task("t") is None
    assert RunBudget(max_seconds=5).task("t") is not None


async def test_time() -> None:
    now = 1000.0
    told: list[str] = []
    budget = RunBudget(max_seconds=7200, spent_seconds=200, on_exhausted=told.append, clock=lambda: now)
    task = of_run(budget)
    now += 6999
    bill(await task.reserve("m", 1, None), 1)
    now += 1
    assert str(await refused(task)) == "The run's time of 2:00:00 is used up."
    assert told == ["The run's time of 2:00:00 is used up."]


async def test_those_who_wait_are_woken_at_the_end_of_the_time() -> None:
    budget = RunBudget(max_tokens=100, max_seconds=0.05)
    task = of_run(budget)
    first = await task.reserve("m", 100, None)
    end = await refused(of_run(budget, "other"), 50)
    assert end.sentence == "The run's time of 0:00 is used up."
    bill(first, 100)


async def test_a_price_that_is_unknown_is_said() -> None:
    end = await refused(of_run(RunBudget(max_cost=1.0)), 10, None)
    assert str(end).endswith("the price of m is unknown. Add it to prices.toml.")
    bill(await of_run(RunBudget(max_tokens=100)).reserve("m", 10, None), 10)


async def test_the_output_of_a_role_is_learnt_from_its_answers() -> None:
    budget = RunBudget(max_tokens=10**6)
    task, other = of_run(budget, "a"), of_run(budget, "b")
    assert task.expected_output("coder") is None
    for output in (100, 301):
        (await task.reserve("m", 1, None)).settle("coder", Usage(output=output, calls=1), None)
    interrupted = Usage(output=0, calls=1, estimated=True)
    (await task.reserve("m", 1, None)).settle("coder", interrupted, None)
    assert other.expected_output("coder") == 201
    assert other.expected_output("evaluator") is None
