"""Tasks that wait for their turn again: what the reducer keeps of them, and what it forgets."""

from typing import Any

import pytest

from agentbatch.runs import events as e
from agentbatch.runs.kind import resume_command, retry_command
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.usage import Usage


class Tape:
    """Events with numbers and a clock, folded into a state."""

    def __init__(self) -> None:
        self.state = RunState()
        self._seq = 0

    def play(self, ts: float, *events: e.Event) -> TaskState:
        for event in events:
            self._seq += 1
            self.state.apply(event.model_copy(update={"seq": self._seq, "ts": ts}))
        return self.state.tasks["t"]


def begun(**fields: Any) -> e.RunStarted:
    values: dict[str, Any] = {
        "run_id": "r1", "version": "0", "mode": "parallel", "max_concurrent": 3, "total_tasks": 1,
        "coder_model": "c", "evaluator_model": "v", "coder_endpoint": "u", "evaluator_endpoint": "u",
    }  # fmt: skip
    return e.RunStarted(**{**values, **fields})


def queued(**fields: Any) -> e.TaskQueued:
    values: dict[str, Any] = {"index": 0, "dir": "d", "first_prompt": "p", "max_iterations": 4}
    return e.TaskQueued(task_id="t", **{**values, **fields})


def call() -> e.ModelCallFinished:
    return e.ModelCallFinished(
        task_id="t", role="coder", model="m", usage=Usage(input=10, output=5, calls=1), cost=0.5, latency=1.0,
        attempts=1,
    )  # fmt: skip


def verdict() -> e.VerdictReached:
    return e.VerdictReached(
        task_id="t", iteration=1, accepted=False, verdict=None, decision="continue", tampering=["test_x.py"]
    )


def ended(**fields: Any) -> e.TaskFinished:
    values: dict[str, Any] = {"status": "cancelled", "reason": "interrupted", "resumable": True}
    return e.TaskFinished(task_id="t", **{**values, **fields})


STARTED = e.TaskStarted(task_id="t")
ITERATION = e.IterationStarted(task_id="t", iteration=1, prompt="p")
PAUSED = e.Paused(task_id="t")
RESUMED = e.TaskResumed(task_id="t")


def requeued(seconds: float, **fields: Any) -> e.TaskRequeued:
    return e.TaskRequeued(task_id="t", seconds_before=seconds, **fields)


def a_task(tape: Tape) -> TaskState:
    tape.play(100, begun(), queued(definition="d1", max_cost=1.0))
    return tape.play(110, STARTED, ITERATION, call(), verdict())


def test_a_task_that_goes_on_keeps_what_it_did_and_is_under_way_again() -> None:
    tape = Tape()
    before = a_task(tape)
    tape.play(120, PAUSED, ended(error="stopped", last_response="hm", changed_files=2))
    task = tape.play(200, requeued(10.0, max_cost=2.0, max_tokens=9))
    assert (task.status, task.finished, task.resumable, task.paused) == ("queued", False, False, False)
    assert (task.reason, task.error, task.started_at) == (None, "", None)
    assert (task.max_cost, task.max_tokens) == (2.0, 9)
    assert (task.iteration, task.verdicts, task.steps) == (1, before.verdicts, 1)
    assert (task.bills, task.attempts) == (before.bills, before.attempts)
    assert (task.since, task.reruns, task.definition) == (before.since, 0, "d1")
    assert (task.last_response, task.changed_files) == ("hm", 2)
    task = tape.play(250, RESUMED)
    assert (task.status, task.started_at) == ("coding", 250)


def test_time_at_work_adds_up_over_sessions_and_waiting_is_none() -> None:
    tape = Tape()
    a_task(tape)
    tape.play(120, ended())
    task = tape.play(500, requeued(10.0))
    assert task.duration(900) == 10.0
    task = tape.play(1000, RESUMED)
    assert task.duration(1005) == 15.0
    task = tape.play(1007, ended(status="completed", reason="accepted", resumable=False))
    assert task.duration(9999) == 17.0


def test_a_clock_that_was_set_back_makes_no_negative_time() -> None:
    tape = Tape()
    a_task(tape)
    assert tape.play(50, ended()).duration(0) == 0.0


def test_a_new_beginning_keeps_the_bill_and_forgets_the_rest() -> None:
    tape = Tape()
    before = a_task(tape)
    tape.play(120, ended(last_response="hm", changed_files=2, branch="b", error="x"))
    task = tape.play(200, queued(definition="d2", index=3, depends_on=["a"], max_tokens=7))
    assert (task.bills, task.attempts) == (before.bills, before.attempts)
    assert (task.reruns, task.index, task.definition, task.depends_on) == (1, 3, "d2", ("a",))
    assert (task.max_cost, task.max_tokens) == (None, 7)
    assert (task.status, task.finished, task.resumable, task.started_at) == ("queued", False, False, None)
    assert (task.iteration, task.verdicts, task.steps, task.seconds_before) == (0, (), 0, 0.0)
    assert (task.last_response, task.changed_files, task.branch, task.error) == ("", 0, "", "")
    assert task.since > before.since
    assert tape.state.count("queued") == 1
    assert tape.state.count("cancelled") == 0
    assert tape.state.bills == before.bills


def test_only_a_task_that_had_begun_counts_as_begun_again() -> None:
    tape = Tape()
    tape.play(100, begun(), queued())
    assert tape.play(110, ended(), queued()).reruns == 0
    tape.play(120, STARTED, ended())
    assert tape.play(130, queued()).reruns == 1
    # It waits again, and is begun anew before its turn has come.
    tape.play(140, STARTED)
    tape.play(150, ended(), requeued(10.0))
    assert tape.play(160, queued()).reruns == 2


def test_a_task_with_a_conversation_counts_as_begun_whatever_the_clock_said() -> None:
    """A clock that was set back makes no time at work; its messages are there all the same."""
    tape = Tape()
    a_task(tape)
    tape.play(50, ended(), requeued(0.0))
    assert tape.play(160, queued()).reruns == 1


def test_another_session_begins_with_a_clean_sheet() -> None:
    tape = Tape()
    tape.play(100, begun(warnings=["old"]), queued(), e.Paused(), e.ConcurrencyChanged(max_concurrent=9))
    assert (tape.state.paused, tape.state.max_concurrent) == (True, 9)
    tape.play(110, e.Notice(text="hm"), e.RunFinished(interrupted=True))
    assert tape.state.seconds(999) == 10.0
    tape.play(500, begun(session=2, seconds_before=10.0, max_concurrent=5, warnings=["new"]))
    state = tape.state
    assert (state.paused, state.max_concurrent, state.finished) == (False, 5, None)
    assert state.notices == ["new"]
    assert state.seconds(505) == 15.0


def test_pauses_of_the_run_and_of_a_task_are_two_things() -> None:
    tape = Tape()
    tape.play(100, begun(), queued(), STARTED)
    assert tape.play(101, PAUSED).paused
    assert not tape.state.paused
    tape.play(102, e.Paused())
    assert not tape.play(103, e.Resumed(task_id="t")).paused
    assert tape.state.paused
    tape.play(104, e.Resumed())
    assert not tape.state.paused


@pytest.mark.parametrize(
    ("last", "resume", "retry"),
    [
        ({"status": "completed", "reason": "accepted", "resumable": False}, False, False),
        ({}, True, False),
        ({"status": "error", "reason": "model_error"}, True, False),
        ({"status": "error", "reason": "stalled", "resumable": False}, False, True),
        ({"status": "timeout", "reason": "wall_clock", "resumable": False}, False, True),
        ({"status": "cancelled", "reason": "cancelled", "resumable": False}, False, True),
        ({"status": "skipped", "reason": "dependency_failed", "resumable": False}, False, False),
    ],
)
def test_the_commands_that_go_on(last: dict[str, Any], resume: bool, retry: bool) -> None:
    tape = Tape()
    a_task(tape)
    assert resume_command(tape.state) == "agentbatch resume r1"
    assert retry_command(tape.state) == ""
    tape.play(120, ended(**last))
    assert resume_command(tape.state) == ("agentbatch resume r1" if resume else "")
    assert retry_command(tape.state) == ("agentbatch resume r1 --retry-failed" if retry else "")


def test_without_a_run_there_is_no_command() -> None:
    assert (resume_command(RunState()), retry_command(RunState())) == ("", "")


@pytest.mark.parametrize(
    ("before", "given", "coders"),
    [
        ((), "pi", ("pi",)),
        ((), "", ("codex",)),
        ((STARTED,), "pi", ("pi",)),
        ((STARTED, ITERATION.model_copy(update={"coder": "codex"})), "pi", ("codex",)),
    ],
)
def test_who_works_on_it_may_change_until_it_has_begun(
    before: tuple[e.Event, ...], given: str, coders: tuple[str, ...]
) -> None:
    tape = Tape()
    tape.play(100, begun(), queued(coder="codex"), *before)
    assert tape.play(200, requeued(0.0, coder=given)).coders == coders
