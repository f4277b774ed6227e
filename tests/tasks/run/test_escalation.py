"""A cheap coder drafts and a strong one finishes, whole runs: of a task, of an attempt, across a resumption."""

from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from agentbatch.spending.tiering import tiering
from tests.tasks.run.verdicts import COMPLETE

WORK = Say(calls=[ScriptedCall(name="bash", arguments={"command": "echo right > a.txt"})])
FINISH = Say(calls=[ScriptedCall(name="finish", arguments={"summary": "Done."})])
SCRIPT = Script(prompt="Change it.", coder=[WORK, FINISH], evaluator=[Say(verdict=COMPLETE)])
TASK = {"dir": "work", "first_prompt": "Change it.", "verify": "grep right a.txt", "max_iterations": 5}
CHEAP, STRONG = "rehearsal-coder-0", "rehearsal-coder"
PRICES = f'[models."{CHEAP}"]\ninput = 1.0\noutput = 2.0\n[models."{STRONG}"]\ninput = 10.0\noutput = 20.0\n'


def models(events: list[Any], task_id: str) -> list[tuple[int, str]]:
    """What was asked as a coder, by iteration."""
    found, iteration = [], 0
    for event in events:
        if isinstance(event, e.IterationStarted) and event.task_id == task_id:
            iteration = event.iteration
        if isinstance(event, e.ModelCallStarted) and event.task_id == task_id and event.role == "coder":
            found.append((iteration, event.model))
    return list(dict.fromkeys(found))


async def test_attempts_escalate_each_in_its_way_and_what_it_saved_is_in_the_results(
    run_tasks: Any, tmp_path: Path
) -> None:
    (tmp_path / "prices.toml").write_text(PRICES)
    (tmp_path / "work").mkdir()
    task = {
        **TASK,
        "id": "t",
        "stop_at": "all",
        "attempts": [{}, {"escalate": [{"after": 2, "coder_model": STRONG}]}],
    }
    ran = await run_tasks([task], [SCRIPT], coder_model=CHEAP, escalate=f"1:{STRONG}", parallel=1)
    assert models(ran.events, "t@1") == [(1, CHEAP), (2, STRONG)]
    assert models(ran.events, "t@2") == [(1, CHEAP), (2, CHEAP), (3, STRONG)]
    assert ran.task.status == "completed"
    found = ran.results["summary"]["escalation"]
    assert (found["tasks"], found["takenOver"], found["completedBefore"]) == (1, 1, 0)
    assert found["drafted"]["models"] == [STRONG]
    assert found["drafted"]["strongerCost"] == pytest.approx(found["drafted"]["cost"] * 10)


async def test_a_resumed_task_goes_on_with_the_model_of_its_iteration(run_tasks: Any, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    task = {**TASK, "id": "t", "escalate": [{"after": 1, "coder_model": STRONG}]}
    engines: list[Any] = []

    def stop(event: e.Event, state: RunState) -> None:
        if isinstance(event, e.ToolFinished) and state.tasks["t"].iteration == 2:
            engines[0].stop_now()

    first = await run_tasks([task], [SCRIPT], coder_model=CHEAP, on_start=engines.append, on_event=stop)
    assert first.task.resumable
    assert models(first.events, "t") == [(1, CHEAP), (2, STRONG)]
    again = await run_tasks([task], [SCRIPT], coder_model=CHEAP, resume_run=first.outcome.run_folder)
    assert {event.model for event in again.of_type(e.ModelCallStarted) if event.role == "coder"} == {STRONG}
    assert again.task.status == "completed"
    found = tiering([again.task])
    assert found is not None
    assert (found.taken_over, found.drafts.saved) == (1, None), "without prices nothing was saved"
