"""What a user says to tasks under way, from another process, through the database."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.runs.control.user_message import MAX_MESSAGES, UserMessage
from agentbatch.runs.session import Engine
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import Said, TaskState
from agentbatch.tasks.evaluator.evaluator import Continue, Decision, Done, Found
from agentbatch.tasks.run.user.user_messages import (
    SAID_SINCE,
    found_unless_unread,
    unless_unread,
    when_delivered,
    why_not_sent,
)
from tests.tasks.run.awkward_moments import (
    FINISH,
    UNTIL_SAID,
    Hand,
    Outside,
    bash,
    both,
    once,
    saying,
    script,
    task,
)

SAYS = "The user says:"


def spoken(request: Mapping[str, Any]) -> list[str]:
    """What the user said in it, beside the task."""
    contents = [str(one["content"]) for one in request["messages"] if one["role"] == "user"]
    return [content.partition(SAYS)[2].strip() for content in contents if SAYS in content]


async def test_it_is_told_between_two_calls_and_judged_as_part_of_the_task(
    run_tasks: Any, tmp_path: Path
) -> None:
    user = saying(tmp_path, e.ToolCalled, task="a", text="In German.", by="me")
    ran = await run_tasks([task("a")], [script("a", bash(UNTIL_SAID), FINISH)], on_event=user.on_event)
    assert ran.outcome.exit_code == 0
    assert await user.answers() == [("say", (True, "Task a hears it before its next model call."))]
    first, second = ran.coder_requests()
    assert [message["role"] for message in second["messages"]][2:] == ["assistant", "tool", "user"]
    assert spoken(second) == ["In German."]
    assert second["messages"][:2] == first["messages"], "a prefix cache keeps what came before"
    judged = ran.evaluator_requests()[0]["messages"][-1]["content"]
    assert "what the user has said since" in judged
    assert "\nIn German.\n" in judged
    assert [(one.by, one.text) for one in ran.task.said] == [("me", "In German.")]


async def test_work_whose_coder_has_not_heard_it_is_not_accepted(run_tasks: Any, tmp_path: Path) -> None:
    user = saying(tmp_path, e.CheckStarted, task="a", text="In German.")
    tasks = [task("a", verify=UNTIL_SAID, max_iterations=1)]
    scripts = [script("a", bash("touch x"), FINISH, FINISH)]
    ran = await run_tasks(tasks, scripts, on_event=user.on_event, no_evaluator=True)
    verdicts = ran.of_type(e.VerdictReached)
    assert [(one.accepted, one.refusals) for one in verdicts] == [(False, [SAID_SINCE]), (True, [])]
    assert [spoken(request) for request in ran.coder_requests()] == [[], [], ["In German."]]
    assert (ran.task.status, ran.task.iteration) == ("completed", 2)


@pytest.mark.slow
async def test_what_was_said_while_a_task_was_paused_goes_out_with_the_call_that_was_held(
    run_tasks: Any, tmp_path: Path
) -> None:
    user = Outside(
        tmp_path,
        both(
            once(e.ToolCalled, lambda o: o.ask("pause", task="a")),
            once(e.Paused, lambda o: (tmp_path / "work/a/said").touch()),
            once(e.ToolFinished, lambda o: o.ask("say", task="a", text="In German.")),
            once(e.UserSaid, lambda o: o.ask("unpause", task="a")),
        ),
    )
    ran = await run_tasks([task("a")], [script("a", bash(UNTIL_SAID), FINISH)], on_event=user.on_event)
    assert [spoken(request) for request in ran.coder_requests()] == [[], ["In German."]]
    assert (
        "say",
        (True, "Task a hears it before its next model call, when it continues."),
    ) in await user.answers()


@pytest.mark.slow
async def test_it_is_heard_also_where_it_was_said_behind_an_acceptance(run_tasks: Any) -> None:
    """While the verdict is stored the task is not over; while its work is put away it is."""
    refused: list[str] = []

    def too_late(hand: Hand) -> None:
        try:
            hand.steering.say("a", UserMessage("Too late.", "", ""))
        except UserError as error:
            refused.append(str(error))

    hands = (
        Hand(e.VerdictReached, lambda hand: hand.say("a", "In German.")),
        Hand(e.HiddenVerified, too_late),
    )

    def attach(engine: Engine) -> None:
        for hand in hands:
            hand.attach(engine)

    def on_event(event: e.Event, state: RunState) -> None:
        for hand in hands:
            hand.on_event(event, state)

    ran = await run_tasks(
        [task("a", hidden_verify="true")],
        [script("a", bash("touch x"), FINISH, FINISH)],
        on_start=attach,
        on_event=on_event,
    )
    assert [one.accepted for one in ran.task.verdicts] == [True, True]
    assert [spoken(request) for request in ran.coder_requests()] == [[], [], ["In German."]]
    assert [one.text for one in ran.task.said] == ["In German."]
    assert "The task a is at its end" in refused[0]


def state(*tasks: TaskState) -> RunState:
    found = RunState()
    for one in tasks:
        found.put(one)
    return found


def known(name: str = "t", **fields: Any) -> TaskState:
    return TaskState(
        **{"id": name, "index": 0, "dir": ".", "max_iterations": 3, "status": "coding", **fields}
    )


def said(seq: int, text: str = "x") -> Said:
    return Said(seq=seq, ts=0.0, text=text)


OVER: dict[str, Any] = {"finished_at": 1.0, "status": "error"}


@pytest.mark.parametrize(
    ("tasks", "ending", "why"),
    [
        ([known()], {"u"}, ""),
        ([known(status="queued")], (), ""),
        ([known(**OVER)], (), "is over: error. `agentbatch retry t` begins it again"),
        ([known()], {"t"}, "is at its end"),
        ([known(said=(said(1, "x" * MAX_MESSAGES),))], (), "was told 30,000 characters already"),
        ([known(), known("t@1", attempt_of="t"), known("t@2", attempt_of="t", **OVER)], {"t"}, ""),
        ([known(), known("t@1", attempt_of="t", **OVER)], (), "The attempts at the task t are over"),
        ([known(), known("t@1", attempt_of="t")], {"t@1"}, "The attempts at the task t are over"),
    ],
    ids=["at work", "queued", "over", "ending", "full", "an attempt", "attempts over", "attempts ending"],
)  # fmt: skip
def test_who_can_be_told(tasks: list[TaskState], ending: Any, why: str) -> None:
    found = why_not_sent(state(*tasks), tasks[0], ending, 1)
    assert why in found
    assert bool(why) == bool(found)


@pytest.mark.parametrize(
    ("tasks", "when"),
    [
        ([known(status="queued")], "hears it with its first prompt."),
        ([known(status="queued", iteration=2)], "hears it with its next prompt."),
        ([known()], "hears it before its next model call."),
        ([known(paused=True)], "before its next model call, when it continues."),
        ([known(status="evaluating")], "is not accepted before."),
        ([known(coders=("codex",))], "hears it with codex's next prompt, and is not accepted before."),
        ([known(), known("t@1", attempt_of="t"), known("t@2", attempt_of="t", **OVER)],
         "1 attempt at it will hear it. What is over without it is not chosen."),
    ],
    ids=["queued", "again", "coding", "paused", "evaluating", "another", "attempts"],
)  # fmt: skip
def test_when_it_is_told(tasks: list[TaskState], when: str) -> None:
    assert when_delivered(state(*tasks), tasks[0], ()).endswith(when)


ACCEPTED = Done("completed", "accepted")


@pytest.mark.parametrize(
    ("decision", "waiting", "then"),
    [
        (ACCEPTED, False, ACCEPTED),
        (ACCEPTED, True, Continue("")),
        (Done("timeout", "max_iterations", "Not accepted."), True, Continue("Not accepted.")),
        (Continue("Mend it."), True, Continue("Mend it.")),
    ],
    ids=["nothing said", "accepted", "given up", "another anyway"],
)
def test_what_was_said_last_is_heard_before_a_task_ends(
    decision: Decision, waiting: bool, then: Decision
) -> None:
    found = found_unless_unread(Found(decision, "judge"), waiting=waiting)
    assert unless_unread(decision, waiting=waiting) == found.decision == then
    assert found.refusals == ((SAID_SINCE,) if decision != then else ())
