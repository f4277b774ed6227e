"""What a task's state keeps of the commands before and after its work."""

import pytest

from agentbatch.runs import events as e
from agentbatch.runs.state.task_reducer import MAX_COMMANDS, reduce_task
from agentbatch.runs.state.task_state import TaskState

CODING = TaskState(id="t", index=0, dir="w", max_iterations=3, status="coding", started_at=1.0)


def ended(exit_code: int | None, command: str = "npm ci") -> e.CheckFinished:
    return e.CheckFinished(
        task_id="t", kind="setup", command=command, exit_code=exit_code, tail="said", seconds=1.0
    )


@pytest.mark.parametrize("kind", ["setup", "teardown"])
def test_the_task_is_not_evaluated_meanwhile(kind: e.CheckKind) -> None:
    task = reduce_task(CODING, e.CheckStarted(task_id="t", kind=kind, command="npm ci", ts=5.0))
    assert (task.status, task.looks) == ("coding", 0)
    assert (task.activity.kind, task.activity.check, task.activity.since) == ("verify", kind, 5.0)


def test_what_was_printed_is_kept_of_those_that_failed() -> None:
    task = CODING
    for event in (ended(0), ended(3), ended(None)):
        task = reduce_task(task, event)
    assert [(one.exit_code, one.tail) for one in task.setup] == [(0, ""), (3, "said"), (None, "said")]
    for number in range(2 * MAX_COMMANDS):
        task = reduce_task(task, ended(0, str(number)))
    assert [one.command for one in task.setup][-1:] == [str(2 * MAX_COMMANDS - 1)]
    assert len(task.setup) == MAX_COMMANDS
