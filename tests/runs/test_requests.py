"""A batch of plain requests in the store: what its events come to, and what can be done with it."""

from datetime import datetime
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.runs.kind import kind_of, resume_command, retry_command
from agentbatch.runs.listing import condition, open_run
from agentbatch.runs.log_lines import line, requests_line
from agentbatch.runs.state.run_state import RunState
from agentbatch.tasks.results.sources import read_results, run_source
from tests.runs.requests_run import requests_run
from tests.runs.stored_runs import finished
from tests.support.run_events import run_started


def state_of(
    ok: int, failed: int, total: int = 5, *, error: str = "", interrupted: bool = False, over: bool = True
) -> RunState:
    state = RunState()
    events: list[e.Event] = [
        run_started(total, kind="requests", evaluator_model="none", evaluator_endpoint=""),
        e.RequestsProgressed(total=total, ok=ok, failed=failed),
    ]  # fmt: skip
    if over:
        events.append(e.RunFinished(error=error, interrupted=interrupted))
    for number, event in enumerate(events, start=1):
        state.apply(event.model_copy(update={"seq": number, "ts": float(number)}))
    return state


@pytest.mark.parametrize(
    ("state", "stands", "goes_on", "again"),
    [
        (state_of(5, 0), "finished", False, False),
        (state_of(4, 1), "finished", False, True),
        (state_of(3, 0, interrupted=True), "interrupted", True, False),
        (state_of(3, 1, error="No quota."), "interrupted", True, True),
        (state_of(3, 0), "interrupted", True, False),
        (state_of(5, 0, error="out.jsonl cannot be written."), "interrupted", True, False),
        (state_of(3, 0, over=False), "died", True, False),
        (state_of(5, 0, over=False), "died", False, False),
    ],
)
def test_how_it_stands_and_how_it_goes_on(state: RunState, stands: str, goes_on: bool, again: bool) -> None:
    assert condition(state, held=False) == stands
    assert condition(state, held=True) == "running"
    assert resume_command(state) == ("agentbatch resume r1" if goes_on else "")
    assert retry_command(state) == ("agentbatch resume r1 --retry-failed" if again else "")


def test_before_it_has_told_all_are_open() -> None:
    state = state_of(0, 0, total=7, over=False)
    state.requests = None
    assert (kind_of(state.info).counts(state).open, resume_command(state)) == (7, "agentbatch resume r1")
    assert kind_of(None).counts(RunState()).open == 0


def test_going_on_takes_the_end_back() -> None:
    state = state_of(5, 0, error="out.jsonl cannot be written.")
    assert state.info is not None
    state.apply(state.info.model_copy(update={"seq": 9, "session": 2}))
    assert (state.finished, kind_of(state.info).resumable(state)) == (None, False)


def test_its_lines() -> None:
    told = e.RequestsProgressed(total=2_000, ok=1_000, failed=3, seconds_left=61.0, cost=1.5)
    assert requests_line(told) == "1,003/2,000 requests, 3 failed, 0 tokens, cost $1.50, about 1:01 left"
    over = told.model_copy(update={"ok": 1_997, "seconds_left": 0.0})
    assert requests_line(over) == "2,000/2,000 requests, 3 failed, 0 tokens, cost $1.50"
    state = state_of(3, 1)
    assert line(told, state, verbose=True) == []  # once a second is too often
    assert len(line(told.model_copy(update={"worth_a_line": True}), state, verbose=True)) == 1
    for end, begins in (
        (e.RunFinished(), "run interrupted: 3 ok, 1 failed, 1 not asked"),
        (e.RunFinished(interrupted=True), "run interrupted: 3 ok"),
        (e.RunFinished(error="No quota."), "run stopped: No quota. (3 ok"),
    ):
        (told_end,) = line(end, state, verbose=True)
        assert begins in told_end


async def test_its_results_are_no_results_of_tasks(tmp_path: Path) -> None:
    folder = await requests_run(tmp_path)
    with pytest.raises(UserError) as refused:
        read_results(run_source(folder))
    for word in ("status", "logs -f"):
        assert f"`agentbatch {word} {folder.run_id}`" in str(refused.value)
    assert str(tmp_path / "out.jsonl") in str(refused.value)
    assert kind_of((run := open_run(folder)).state.info).counts(run.state).open == 1
    assert read_results(run_source(await finished(tmp_path, datetime(2026, 1, 2)))).state.tasks


def test_what_a_request_costs_is_nobodys_role_but_its_own() -> None:
    state = RunState()
    state.apply(e.RequestsProgressed(total=1, ok=1, failed=0, cost=0.5))
    assert [(bill.role, bill.cost) for bill in state.bills] == [("request", 0.5)]
