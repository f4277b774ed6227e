"""What a resumption does with each task."""

from pathlib import Path
from typing import Any

import pytest

from agentbatch.runs.state.bills import Bill
from agentbatch.runs.state.task_state import TaskState
from agentbatch.tasks.run.resume.resume_plan import resume_actions
from agentbatch.tasks.spec.attempts import with_attempts
from agentbatch.tasks.spec.plan import Plan, PlannedTask
from agentbatch.tasks.spec.task import AttemptSpec, Task
from agentbatch.usage import Usage


def planned(name: str = "t", **fields: Any) -> PlannedTask:
    values: dict[str, Any] = {"max_iterations": 10, "timeout": None, **fields}
    return PlannedTask(id=name, index=0, task=Task(first_prompt="Do it."), root=Path("/w"), **values)


def known(name: str = "t", **fields: Any) -> TaskState:
    values: dict[str, Any] = {"definition": planned(name).definition, **fields}
    return TaskState(id=name, index=0, dir="w", first_prompt="Do it.", max_iterations=10, **values)


OVER: dict[str, Any] = {"started_at": 1.0, "finished_at": 2.0}
STALLED: dict[str, Any] = {**OVER, "status": "error", "reason": "stalled"}


@pytest.mark.parametrize(
    ("state", "expected", "retried", "forced"),
    [
        (None, "new", "new", "new"),
        ({}, "start", "start", "start"),
        ({"started_at": 1.0, "status": "coding"}, "continue", "continue", "rerun"),
        ({"seconds_before": 3.0}, "continue", "continue", "rerun"),
        ({**OVER, "status": "completed"}, "keep", "keep", "rerun"),
        ({**OVER, "status": "error", "reason": "stalled"}, "keep", "rerun", "rerun"),
        ({**OVER, "status": "timeout", "reason": "wall_clock"}, "keep", "rerun", "rerun"),
        ({**OVER, "status": "cancelled", "reason": "cancelled"}, "keep", "rerun", "rerun"),
        ({**OVER, "status": "cancelled", "reason": "interrupted", "resumable": True}, "continue", "continue", "rerun"),
        ({**OVER, "status": "error", "reason": "model_error", "resumable": True}, "continue", "continue", "rerun"),
        ({"finished_at": 2.0, "status": "cancelled", "resumable": True}, "start", "start", "start"),
        ({"finished_at": 2.0, "status": "skipped", "reason": "dependency_failed"}, "start", "start", "start"),
        ({**OVER, "status": "cancelled", "reason": "left_out"}, "continue", "continue", "rerun"),
        ({"finished_at": 2.0, "status": "cancelled", "reason": "left_out"}, "start", "start", "start"),
        ({**OVER, "status": "completed", "definition": "other"}, "changed", "changed", "rerun"),
        ({"definition": "other"}, "new", "new", "new"),
        ({**OVER, "status": "completed", "definition": ""}, "keep", "keep", "rerun"),
    ],
)  # fmt: skip
def test_one_task(state: dict[str, Any] | None, expected: str, retried: str, forced: str) -> None:
    states = {} if state is None else {"t": known(**state)}
    tasks = [planned()]
    assert resume_actions(tasks, states) == {"t": expected}
    assert resume_actions(tasks, states, retry_failed=True) == {"t": retried}
    assert resume_actions(tasks, states, force=True) == {"t": forced}
    if "continue" in (expected, retried):  # what it needs for that is not removed
        assert states["t"].may_continue
    elif expected == "keep":
        assert not states["t"].may_continue


@pytest.mark.parametrize(
    ("was", "limits", "expected"),
    [
        ({"max_tokens": 50}, {"max_tokens": 50}, "keep"),
        ({"max_tokens": 50}, {"max_tokens": 40}, "keep"),
        ({"max_tokens": 50}, {"max_tokens": 5000}, "continue"),
        ({"max_tokens": 50}, {}, "continue"),
        ({"max_cost": 1.0}, {"max_cost": 1.0}, "keep"),
        ({"max_cost": 1.0}, {"max_cost": 2.0}, "continue"),
        ({"max_cost": 1.0}, {"max_cost": 1.0, "max_tokens": 9}, "keep"),
    ],
)
def test_a_higher_budget_of_its_own_lets_it_go_on(
    was: dict[str, Any], limits: dict[str, Any], expected: str
) -> None:
    bill = Bill(role="coder", model="m", usage=Usage(input=90, output=10, calls=1), cost=1.0)
    state = known(**OVER, **was, status="timeout", reason="budget", bills=(bill,))
    assert resume_actions([planned(**limits)], {"t": state}) == {"t": expected}
    assert state.may_continue


def test_what_was_skipped_gets_another_chance_when_what_it_depends_on_does() -> None:
    skipped = {"finished_at": 2.0, "status": "skipped", "reason": "dependency_failed"}
    tasks = [
        planned("late", depends_on=("middle",)),
        planned("middle", depends_on=("bad",)),
        planned("bad"),
        planned("other", depends_on=("good",)),
        planned("good"),
    ]
    states = {
        "bad": known("bad", **OVER, status="error", reason="stalled"),
        "middle": known("middle", **skipped),
        "late": known("late", **skipped),
        "good": known("good", **OVER, status="completed"),
        "other": known("other", **OVER, status="completed"),
    }
    kept = resume_actions(tasks, states)
    assert set(kept.values()) == {"keep"}
    retried = resume_actions(tasks, states, retry_failed=True)
    assert retried == {"late": "start", "middle": "start", "bad": "rerun", "other": "keep", "good": "keep"}


def test_what_was_skipped_begins_once_its_dependency_is_completed() -> None:
    skipped = {"finished_at": 2.0, "status": "skipped", "reason": "dependency_failed"}
    tasks = [
        planned("late", depends_on=("middle", "good")),
        planned("middle", depends_on=("good",)),
        planned("good"),
    ]
    states = {
        "good": known("good", **OVER, status="completed"),
        "middle": known("middle", **skipped),
        "late": known("late", **skipped),
    }
    assert resume_actions(tasks, states) == {"late": "start", "middle": "start", "good": "keep"}


@pytest.mark.parametrize(
    ("task", "attempt", "retry_failed", "expected"),
    [
        # It goes on with its attempts: those that are over are over.
        ({"started_at": 1.0}, {**OVER, "status": "timeout", "reason": "max_iterations"}, True, "keep"),
        ({"started_at": 1.0}, {**OVER, "status": "completed"}, False, "keep"),
        ({"started_at": 1.0}, {"started_at": 1.0, "status": "coding"}, False, "continue"),
        ({"started_at": 1.0}, None, False, "new"),
        # It is over, and they with it, or begins again with all of them.
        ({**OVER, "status": "completed"}, STALLED, True, "keep"),
        ({**OVER, "status": "completed"}, None, True, "keep"),
        (STALLED, STALLED, True, "rerun"),
        (STALLED, {**OVER, "status": "cancelled", "reason": "superseded"}, True, "rerun"),
    ],
)  # fmt: skip
def test_an_attempt_goes_the_way_of_its_task(
    task: dict[str, Any], attempt: dict[str, Any] | None, retry_failed: bool, expected: str
) -> None:
    whole = planned("t", attempts=(AttemptSpec(), AttemptSpec()))
    tasks = with_attempts(Plan((whole,), ())).tasks
    states = {"t": known("t", **{**task, "definition": whole.definition})}
    if attempt is not None:
        states["t@1"] = known("t@1", **{**attempt, "definition": tasks[1].definition, "attempt_of": "t"})
    assert resume_actions(tasks, states, retry_failed=retry_failed)["t@1"] == expected
