"""How a task is told to have ended."""

import pytest

from agentbatch.runs.state.task_state import Activity
from agentbatch.tasks.run.ending.task_end import out_of_time


@pytest.mark.parametrize(
    ("doing", "told"),
    [
        (Activity(), "The task ran out of its 5 seconds."),
        (Activity(kind="generating", detail="coder"), "The task ran out of its 5 seconds."),
        (
            Activity(kind="tool", tool="bash", detail="npm test\n--watch"),
            "The task ran out of its 5 seconds while this ran: npm test",
        ),
        (
            Activity(kind="verify", detail="pytest -q"),
            "The task ran out of its 5 seconds while this ran: pytest -q",
        ),
    ],
)
def test_the_command_that_ran_as_time_was_over_is_named(doing: Activity, told: str) -> None:
    done = out_of_time(5.0, doing)
    assert (done.status, done.reason, done.error) == ("timeout", "wall_clock", told)
