"""Budgets and failure limits in whole runs, and going on with more."""

from pathlib import Path
from typing import Any

import pytest

from agentbatch.errors import UserError
from agentbatch.rehearsal.script import Fault, Say, Script, ScriptedCall
from agentbatch.runs import events as e
from tests.tasks.run.verdicts import COMPLETE

TASKS = 40
PARALLEL = 20
STEPS = 5
PRICES = """
[models."rehearsal-coder"]
input = 100.0
output = 100.0
[models."rehearsal-evaluator"]
input = 100.0
output = 100.0
"""


def script(number: int) -> Script:
    steps = [
        Say(calls=[ScriptedCall(name="bash", arguments={"command": f"echo {step} >> steps"})])
        for step in range(STEPS)
    ]
    return Script(prompt=f"Count, {number}.", coder=list(steps), evaluator=[Say(verdict=COMPLETE)])


def task(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": f"t{number}", "dir": f"work/{number}", "first_prompt": f"Count, {number}.", **fields}


def tasks(count: int = TASKS) -> list[dict[str, Any]]:
    return [task(number) for number in range(count)]


SCRIPTS = [script(number) for number in range(TASKS)]


def dearest_call(ran: Any) -> float:
    return max(event.cost or 0.0 for event in ran.of_type(e.ModelCallFinished))


@pytest.mark.slow
async def test_twenty_at_once_do_not_walk_through_a_budget(run_tasks: Any, tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text(PRICES)
    whole = await run_tasks(tasks(), SCRIPTS, parallel=PARALLEL)
    assert whole.outcome.exit_code == 0
    cap = whole.outcome.state.cost / 2

    ran = await run_tasks(tasks(), SCRIPTS, parallel=PARALLEL, max_cost=str(cap))
    state = ran.outcome.state
    assert ran.outcome.exit_code == 1
    assert 0.8 * cap < state.cost <= cap + PARALLEL * dearest_call(ran)
    assert state.finished.error.startswith("The run's budget of $")
    under_way = [t for t in state.tasks.values() if t.status == "cancelled"]
    assert under_way
    assert all(t.resumable for t in under_way)
    assert {t.reason for t in under_way} <= {"budget", "interrupted"}

    again = await run_tasks(
        tasks(), SCRIPTS, parallel=PARALLEL, resume_run=ran.outcome.run_folder, max_cost=str(3 * cap)
    )
    assert again.outcome.exit_code == 0
    assert again.outcome.state.cost == pytest.approx(whole.outcome.state.cost, rel=0.05)
    assert [len((tmp_path / f"work/{n}/steps").read_text().split()) for n in range(TASKS)] == [
        3 * STEPS - STEPS
    ] * TASKS


async def test_tokens_are_a_budget_too(run_tasks: Any) -> None:
    ran = await run_tasks(tasks(4), SCRIPTS, parallel=2, max_tokens="9000")
    assert ran.outcome.exit_code == 1
    assert ran.outcome.state.finished.error.startswith("The run's budget of 9,000 tokens is used up")
    assert ran.outcome.state.usage.total < 9000 + 2 * 3000


async def test_a_tasks_own_budget_ends_that_task_alone(run_tasks: Any) -> None:
    both = [task(0, max_tokens=4000), task(1)]
    ran = await run_tasks(both, SCRIPTS)
    first, second = (ran.outcome.state.tasks[name] for name in ("t0", "t1"))
    assert (first.status, first.reason, first.resumable) == ("timeout", "budget", False)
    assert second.status == "completed"
    assert ran.outcome.exit_code == 1

    same = await run_tasks(both, SCRIPTS, resume_run=ran.outcome.run_folder)
    assert same.coder_requests() == []
    more = await run_tasks([task(0, max_tokens=400_000), task(1)], SCRIPTS, resume_run=ran.outcome.run_folder)
    assert more.outcome.exit_code == 0
    assert more.outcome.state.tasks["t0"].reruns == 0


async def test_a_budget_in_dollars_needs_prices(run_tasks: Any) -> None:
    with pytest.raises(UserError, match="the price of rehearsal-coder is unknown"):
        await run_tasks(tasks(1), SCRIPTS, max_cost="1")
    with pytest.raises(UserError, match="max_cost of t0: the price of rehearsal-coder is unknown"):
        await run_tasks([task(0, max_cost=1.0)], SCRIPTS)


async def test_no_call_begins_after_the_runs_time(run_tasks: Any) -> None:
    ran = await run_tasks(tasks(3), SCRIPTS, parallel=1, max_time="0.5", server={"latency": 0.3})
    assert ran.outcome.exit_code == 1
    assert ran.outcome.state.finished.error == "The run's time of 0:00 is used up."
    assert len(ran.server.requests) <= 4


@pytest.mark.parametrize(
    ("flags", "begun"), [({"fail_fast": True}, 1), ({"max_failures": "2"}, 2), ({"max_failures": "50%"}, 3)]
)
async def test_failures_stop_the_run(run_tasks: Any, flags: dict[str, Any], begun: int) -> None:
    broken = [
        Script(prompt=f"Count, {n}.", coder=[Fault(status=422, times=99)], evaluator=[Say(verdict=COMPLETE)])
        for n in range(6)
    ]
    ran = await run_tasks(tasks(6), broken, parallel=1, **flags)
    assert len(ran.of_type(e.TaskStarted)) == begun
    assert "failed" in ran.outcome.state.finished.error
    assert ran.outcome.exit_code == 1
    left = [t for t in ran.outcome.state.tasks.values() if t.status == "cancelled"]
    assert len(left) == 6 - begun
    assert all(t.resumable for t in left)
