"""What an earlier session of the run left of an agent."""

import pytest

from agentbatch.runs import events as e
from agentbatch.tasks.coders.coder import CoderState
from agentbatch.tasks.coders.external.updates.stored import stored


def began(iteration: int, coder: str) -> e.IterationStarted:
    return e.IterationStarted(task_id="t", iteration=iteration, prompt="p", coder=coder)


def session(coder: str, name: str) -> e.AgentSession:
    return e.AgentSession(task_id="t", coder=coder, session=name)


A, B = (began(1, "a"), session("a", "a-1"), began(2, "a")), (began(3, "b"), session("b", "b-1"))


@pytest.mark.parametrize(
    ("events", "coder", "known"),
    [
        ((), "a", ""),
        (A, "a", "a-1"),
        ((*A, session("a", "a-2")), "a", "a-2"),
        (A, "b", ""),
        ((*A, *B), "b", "b-1"),
        ((*A, *B), "a", ""),
        ((*A, *B, began(4, "a")), "a", ""),
        ((*A, *B, began(4, "a"), session("a", "a-2")), "a", "a-2"),
        ((*A, began(3, "")), "a", ""),
    ],
)
def test_a_session_from_before_another_coder_is_not_gone_on_with(
    events: tuple[e.Event, ...], coder: str, known: str
) -> None:
    assert stored(CoderState(events, (), 0, ()), coder).session == known
