"""Quotas that come back: the run sleeps, wakes, can be stopped meanwhile; without leave it stops and says how."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from agentbatch.model.limits.quota import QuotaGate, UsedUp
from agentbatch.rehearsal.script import Fault, Say, Script, ScriptedCall
from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from agentbatch.tasks.run.signals import RunSignals
from tests.support.waiting import PATIENCE
from tests.tasks.run.verdicts import COMPLETE

FINISH = Say(calls=[ScriptedCall(name="finish", arguments={"summary": "Done."})])
WORK = Say(calls=[ScriptedCall(name="bash", arguments={"command": "touch x"})])
TASK = {"id": "a", "dir": "a", "first_prompt": "Do a."}
USED_UP = Fault(
    status=429,
    body='{"error": {"type": "usage_limit_reached", "message": "No.", "resets_in_seconds": 9000}}',
)


def script(*coder: Say | Fault) -> Script:
    return Script(prompt="Do a.", coder=list(coder), evaluator=[Say(verdict=COMPLETE)])


async def test_a_run_sleeps_until_its_quota_is_back(run_tasks: Any, tmp_path: Path) -> None:
    asleep: list[tuple[str, float, str]] = []
    gates: list[QuotaGate] = []

    def look(event: e.Event, state: RunState) -> None:
        if isinstance(event, e.RateLimited) and state.asleep is not None:
            left = state.asleep.until - event.ts
            asleep.append((state.tasks["a"].activity.detail, left, state.asleep.cause))
            asyncio.get_running_loop().call_soon(gates[0].try_now)

    def start(engine: Any) -> None:
        gates.extend(engine.quotas)

    ran = await run_tasks(
        [TASK], [script(WORK, USED_UP, FINISH)], wait_for_quota="3h", on_event=look, on_start=start
    )
    assert ran.outcome.exit_code == 0
    ((detail, left, cause),) = asleep
    assert detail == "quota"
    assert left == pytest.approx(9_000, abs=60)
    assert "answered 429" in cause
    order = [type(event) for event in ran.events]
    assert order.index(e.QuotaUsedUp) < order.index(e.RateLimited) < order.index(e.QuotaReturned)
    assert ran.outcome.state.asleep is None
    assert len(ran.coder_requests()) == 3


async def test_without_leave_the_run_stops_says_how_and_goes_on_later(run_tasks: Any, tmp_path: Path) -> None:
    ran = await run_tasks([TASK], [script(WORK, USED_UP, FINISH)])
    state = ran.outcome.state
    assert state.finished is not None
    assert "The quota is back at " in state.finished.error
    assert "in 2:29:" in state.finished.error or "in 2:30:00" in state.finished.error
    assert "--wait-for-quota" in state.finished.error
    assert (ran.task.status, ran.task.resumable, ran.of_type(e.QuotaUsedUp)) == ("error", True, [])
    again = await run_tasks([TASK], [script(WORK, FINISH)], resume_run=ran.outcome.run_folder)
    assert again.outcome.exit_code == 0


async def test_a_run_that_sleeps_is_stopped_at_once_and_resumed(run_tasks: Any, tmp_path: Path) -> None:
    engines: list[Any] = []

    def stop(event: e.Event, state: RunState) -> None:
        if isinstance(event, e.RateLimited) and not engines[0].signals.stops:
            asyncio.get_running_loop().call_later(0.05, engines[0].signal)

    ran = await run_tasks(
        [TASK], [script(WORK, USED_UP, FINISH)], wait_for_quota="max", on_event=stop, on_start=engines.append
    )
    assert (ran.outcome.exit_code, ran.task.status, ran.task.resumable) == (130, "cancelled", True)
    again = await run_tasks([TASK], [script(WORK, FINISH)], resume_run=ran.outcome.run_folder)
    assert (again.outcome.exit_code, again.task.status) == (0, "completed")


class Clocked:
    """A task whose time limit is looked at."""

    ending = False

    def __init__(self) -> None:
        self.calls: list[str] = []

    def stop_clock(self) -> None:
        self.calls.append("stop")

    def start_clock(self) -> None:
        self.calls.append("start")

    def cancel(self, reason: e.Reason, text: str) -> None:
        self.calls.append("cancel")

    def interrupt(self) -> None:
        self.calls.append("interrupt")


async def test_time_limits_stand_still_while_a_task_sleeps() -> None:
    signals, task, gate = RunSignals(), Clocked(), QuotaGate()
    signals.running["a"] = task
    await signals.gate("a", gate)
    assert (task.calls, signals.held) == ([], set())
    gate.reached(UsedUp("host", time.time() + 400, "No."))
    waiting = asyncio.ensure_future(signals.gate("a", gate))
    await asyncio.sleep(0)
    assert (task.calls, signals.held) == (["stop"], {"a"})
    signals.pauses.pause(None)
    gate.try_now()
    await asyncio.sleep(0.01)
    assert not waiting.done()  # it sleeps no more, and is paused
    signals.pauses.release(None)
    await asyncio.wait_for(waiting, PATIENCE)
    assert (task.calls, signals.held) == (["stop", "start"], set())


async def test_one_that_is_cancelled_is_not_held() -> None:
    signals, task = RunSignals(), Clocked()
    signals.running["a"] = task
    signals.pauses.pause(None)
    waiting = [asyncio.ensure_future(signals.gate("a", QuotaGate())) for _ in range(2)]
    await asyncio.sleep(0)
    for call, held in zip(waiting, ({"a"}, set()), strict=True):
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert signals.held == held
    assert task.calls == ["stop", "stop", "start"], "its time goes on with the last of them"
