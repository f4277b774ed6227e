from pathlib import Path

from agentbatch.runs import events as e
from agentbatch.runs.services.notify_messages import (
    asleep_message,
    end_message,
    failure_message,
    urgent_message,
)
from agentbatch.runs.state.run_state import RunState
from agentbatch.usage import Usage
from tests.support.run_events import run_started

End = tuple[e.FinalStatus, e.Reason, bool]
"""How a task ended: status, reason, and whether a resumption goes on with it."""


def a_state(*ends: End, left: int = 0) -> RunState:
    """A run whose tasks ended so, and `left` more under way."""
    state = RunState()
    total = len(ends) + left
    state.apply(run_started(total, ts=1000, run_id="20260102-030405-abcd"))
    for n in range(total):
        state.apply(
            e.TaskQueued(task_id=f"t{n}", index=n, dir=f"d{n}", first_prompt="p @everyone", max_iterations=4)
        )
    for n, (status, reason, resumable) in enumerate(ends):
        state.apply(
            e.TaskFinished(
                task_id=f"t{n}",
                status=status,
                reason=reason,
                resumable=resumable,
                error="\x1b[31m@here <!channel>",
            )
        )
    return state


def test_the_end_of_a_run_in_which_all_went_well() -> None:
    state = a_state(("completed", "accepted", False), ("completed", "accepted", False))
    state.apply(
        e.ModelCallFinished(
            task_id="t0", role="coder", model="m", usage=Usage(input=900, output=100, calls=1), cost=0.25, latency=1,
            attempts=1,
        )
    )  # fmt: skip
    state.apply(e.RunFinished(ts=1065))
    assert end_message(state, Path("/home/x@y/results.json"), 1065) == (
        "agentbatch: the run is over, 2 of 2 tasks completed",
        "Run 20260102-030405-abcd: 2 tasks: 2 completed\n"
        "Time 1:05, cost $0.2500, 1,000 tokens\n"
        "Results: /home/x@y/results.json",
        "success",
    )


def test_the_end_names_the_first_ten_that_failed_and_why_and_the_next_step() -> None:
    failed: End = ("error", "max_iterations", False)
    state = a_state(*[failed] * 11, ("completed", "accepted", False))
    state.apply(e.RunFinished(ts=1001))
    message = end_message(state, Path("r.json"), 1001)
    assert message.title == "agentbatch: the run is over, 1 of 12 tasks completed"
    assert message.kind == "failure"
    lines = message.body.splitlines()
    assert lines[0] == "Run 20260102-030405-abcd: 12 tasks: 1 completed, 11 failed"
    named = [line for line in lines if line.startswith("- ")]
    assert named == [f"- t{n}: iteration limit reached" for n in range(10)] + ["- and 1 more"]
    assert lines[-1] == "Resume with: agentbatch resume 20260102-030405-abcd --retry-failed"


def test_a_run_that_was_stopped_says_so_and_how_to_go_on() -> None:
    state = a_state(("completed", "accepted", False), ("cancelled", "interrupted", True), left=1)
    state.apply(e.RunFinished(ts=1001, interrupted=True))
    message = end_message(state, Path("r.json"), 1001)
    assert (message.title, message.kind) == (
        "agentbatch: the run was interrupted, 1 of 3 tasks completed",
        "warning",
    )
    assert "3 tasks: 1 completed, 2 not finished" in message.body
    assert "Not completed:" not in message.body
    assert message.body.endswith("Resume with: agentbatch resume 20260102-030405-abcd")

    state.apply(e.RunFinished(ts=1001, error="The endpoint said: \x1b[2J@everyone <!here> " + "x" * 5000))
    message = end_message(state, Path("r.json"), 1001)
    assert message.title.startswith("agentbatch: the run was stopped, ")
    stopped = message.body.splitlines()[1]
    assert stopped.startswith("Stopped: The endpoint said: ＠everyone ‹!here› xxx")
    assert len(stopped) <= 300


def test_a_failure_is_told_without_what_models_wrote() -> None:
    state = a_state(("error", "blocked", False), left=2)
    assert failure_message(state, state.tasks["t0"]) == (
        "agentbatch: task t0 failed",
        "Task t0 failed (blocked: the evaluator sees no way to do it), the first of run 20260102-030405-abcd.\n"
        "3 tasks: 1 failed, 2 not finished\n"
        "Look with: agentbatch status 20260102-030405-abcd",
        "failure",
    )


def test_messages_stay_short_however_big_the_run() -> None:
    late: End = ("timeout", "wall_clock", False)
    state = a_state(*[late] * 2_000)
    for n in range(10):
        long_name = state.tasks.pop(f"t{n}").model_copy(update={"id": "做" * 5_000 + str(n)})
        state.tasks[long_name.id] = long_name
    state.apply(e.RunFinished(ts=1001, error="e" * 50_000))
    message = end_message(state, Path("/" + "r" * 4_000), 1001)
    assert len(message.body) < 5_000
    assert len(message.title) <= 100


def test_a_run_that_sleeps_says_until_when_and_calls_nobody() -> None:
    quota = e.QuotaUsedUp(
        ts=1_800_014_400.0, endpoint="@here.example.com", until=1_800_023_400.0, cause="@channel no."
    )
    message = asleep_message(a_state(left=1), quota)
    assert message.title.startswith("agentbatch: asleep until ")
    assert "(2:30:00) and goes on by itself" in message.body
    assert "agentbatch unpause 20260102-030405-abcd" in message.body
    assert "@" not in message.body
    assert message.kind == "warning"


def test_a_run_that_needs_somebody_says_what_for() -> None:
    message = urgent_message(a_state(left=1), "No machine of the cluster has @all 1.")
    assert message.title == "agentbatch: the run waits"
    assert message.body.splitlines()[0].endswith("abcd: No machine of the cluster has ＠all 1.")
    assert message.kind == "warning"
