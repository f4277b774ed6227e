"""Going on with runs in one process: what is run again, what is not, and what is said."""

from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Fault, Say, Script, ScriptedCall
from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from tests.support.clocks import MovedClock
from tests.tasks.run.awkward_moments import Stopper, when
from tests.tasks.run.verdicts import COMPLETE

INCOMPLETE = {
    **COMPLETE,
    "complete": False,
    "missing": ["b"],
    "requirements": [{"text": "b", "met": False, "evidence": "none"}],
    "follow_up_prompt": "Make b.",
}


def bash(command: str) -> Say:
    return Say(calls=[ScriptedCall(name="bash", arguments={"command": command})])


WORK = bash("touch x")
FINISH = Say(calls=[ScriptedCall(name="finish", arguments={"summary": "Done."})])


def script(name: str, *coder: Say | Fault, judge: tuple[Say | Fault, ...] = ()) -> Script:
    return Script(prompt=f"Do {name}.", coder=list(coder), evaluator=[*judge, Say(verdict=COMPLETE)])


def task(name: str, **fields: Any) -> dict[str, Any]:
    return {"id": name, "dir": f"work/{name}", "first_prompt": f"Do {name}.", **fields}


async def test_an_interrupted_task_goes_on_in_its_iteration(run_tasks: Any, tmp_path: Path) -> None:
    a = script("a", bash("echo 1 >> log"), bash("echo 2 >> log"), FINISH)
    stopper = Stopper()
    first = await run_tasks(
        [task("a")], [a], on_start=stopper.attach, on_event=when(e.ToolFinished, stopper.at_once, 2)
    )
    assert first.outcome.exit_code == 130
    assert (first.task.status, first.task.reason, first.task.resumable) == ("cancelled", "interrupted", True)
    second = await run_tasks([task("a")], [a], resume_run=first.outcome.run_folder)
    assert second.outcome.exit_code == 0
    assert (tmp_path / "work/a/log").read_text() == "1\n2\n"
    assert second.of_type(e.IterationStarted) == []
    assert len(second.of_type(e.TaskResumed)) == 1
    assert second.task.iteration == 1
    messages = second.coder_requests()[0]["messages"]
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "tool", "assistant", "tool"]
    # Three of the coder and the judge's: the next one was not sent.
    assert second.outcome.state.usage.calls == 4


async def test_between_two_iterations_the_follow_up_comes_next(run_tasks: Any) -> None:
    a = script("a", bash("touch a"), FINISH, bash("touch b"), FINISH, judge=(Say(verdict=INCOMPLETE),))
    stopper = Stopper()
    first = await run_tasks(
        [task("a")], [a], on_start=stopper.attach, on_event=when(e.ToolFinished, stopper.drain)
    )
    assert (first.task.status, first.task.iteration, first.task.resumable) == ("cancelled", 1, True)
    second = await run_tasks([task("a")], [a], resume_run=first.outcome.run_folder)
    assert second.task.status == "completed"
    (started,) = second.of_type(e.IterationStarted)
    assert started.iteration == 2
    assert "Make b." in started.prompt
    assert [v.iteration for v in second.task.verdicts] == [1, 2]
    # The judge still sees what was made in the first session, and what was missing.
    evidence = second.evaluator_requests()[0]["messages"][-1]["content"]
    assert "touch a" in evidence
    assert "missing at the last evaluation" in evidence


async def test_an_interrupted_evaluation_is_made_again_and_the_turn_is_not(run_tasks: Any) -> None:
    a = script("a", bash("touch a"), FINISH)
    stopper = Stopper()

    def at_judge(event: e.Event, _: RunState) -> None:
        if isinstance(event, e.ModelCallStarted) and event.purpose == "judge":
            stopper.at_once()

    first = await run_tasks([task("a")], [a], on_start=stopper.attach, on_event=at_judge)
    assert first.task.resumable
    second = await run_tasks([task("a")], [a], resume_run=first.outcome.run_folder)
    assert second.task.status == "completed"
    assert second.coder_requests() == []
    assert len(second.evaluator_requests()) == 1


async def test_completed_tasks_stay_and_failed_ones_run_again_when_asked(run_tasks: Any) -> None:
    good, bad = script("good", WORK, FINISH), script("bad", Fault(status=422), WORK, FINISH)
    tasks = [task("good"), task("bad")]
    first = await run_tasks(tasks, [good, bad])
    assert {t.id: t.status for t in first.outcome.state.tasks.values()} == {
        "good": "completed",
        "bad": "error",
    }
    folder = first.outcome.run_folder
    plain = await run_tasks(tasks, [good, bad], resume_run=folder)
    assert plain.server.requests == []
    assert "Nothing to do: 2 tasks had ended before." in [n.text for n in plain.of_type(e.Notice)]
    assert plain.outcome.exit_code == 1
    retried = await run_tasks(
        tasks, [good, script("bad", WORK, FINISH)], resume_run=folder, retry_failed=True
    )
    assert retried.outcome.exit_code == 0
    assert [event.task_id for event in retried.of_type(e.TaskStarted)] == ["bad"]
    state = retried.outcome.state.tasks["bad"]
    assert (state.reruns, state.status, state.error) == (1, "completed", "")
    forced = await run_tasks(tasks, [good, script("bad", WORK, FINISH)], resume_run=folder, force=True)
    assert [event.task_id for event in forced.of_type(e.TaskStarted)] == ["good", "bad"]
    assert forced.outcome.state.tasks["good"].usage.calls == 6


async def test_changed_new_and_removed_tasks(run_tasks: Any) -> None:
    scripts = [script(name, WORK, FINISH) for name in ("a", "b", "c", "d", "e")]
    stopper = Stopper()
    first = await run_tasks(
        [task("a"), task("b"), task("c"), task("d")], scripts, parallel=1, on_start=stopper.attach,
        on_event=when(e.TaskFinished, stopper.drain, 2),
    )  # fmt: skip
    assert [t.status for t in first.outcome.state.tasks.values()] == [
        "completed",
        "completed",
        "cancelled",
        "cancelled",
    ]
    changed = [task("a", verify="true"), task("b", timeout=50, priority=3), task("c"), task("e")]
    second = await run_tasks(changed, scripts, resume_run=first.outcome.run_folder)
    assert [event.task_id for event in second.of_type(e.TaskStarted)] == ["a", "c", "e"]
    assert "The task a is not the same as before: it runs afresh." in [
        n.text for n in second.of_type(e.Notice)
    ]
    left = second.outcome.state.tasks["d"]
    assert (left.status, left.reason, left.resumable) == ("cancelled", "left_out", False)
    assert second.outcome.state.count("completed") == 4
    assert second.outcome.exit_code == 0, "what is not in the file any more was not asked for"
    numbers = {t.id: t.index for t in second.outcome.state.tasks.values()}
    assert numbers == {"a": 0, "b": 1, "c": 2, "d": 3, "e": 4}
    back = await run_tasks([task("d")], scripts, resume_run=first.outcome.run_folder)
    assert back.outcome.state.tasks["d"].status == "completed"


async def test_other_settings_are_told(run_tasks: Any, tmp_path: Path) -> None:
    scripts = [script("a", WORK, FINISH)]
    first = await run_tasks([task("a")], scripts, parallel=2)
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/compact.md").write_text("Sum up.\n")
    second = await run_tasks(
        [task("a")], scripts, parallel=4, max_iterations=3, resume_run=first.outcome.run_folder
    )
    (told,) = [n.text for n in second.of_type(e.Notice) if n.text.startswith("Settings differ")]
    for part in ("parallel 2 -> 4", "max_iterations 10 -> 3", "prompts/ changed"):
        assert part in told
    assert "key" not in told


@pytest.mark.slow
async def test_time_limits_count_the_time_at_work_only(run_tasks: Any) -> None:
    a = script("a", bash("sleep 2"), bash("true"), FINISH)
    stopper = Stopper()
    tasks = [task("a", timeout=60.0)]
    first = await run_tasks(
        tasks, [a], on_start=stopper.attach, on_event=when(e.ToolFinished, stopper.at_once)
    )
    assert first.task.resumable
    clock = MovedClock()
    # Some of its time went in the first session: with all of it, it would be done before its limit.
    second = await run_tasks(
        tasks,
        [a],
        resume_run=first.outcome.run_folder,
        on_event=when(e.ToolCalled, lambda: clock.move_on(58.5)),
    )
    assert (second.task.status, second.task.reason) == ("timeout", "wall_clock")
    assert second.task.seconds_before >= 2


async def test_protected_files_are_those_of_the_beginning(run_tasks: Any, tmp_path: Path) -> None:
    (tmp_path / "work/a").mkdir(parents=True)
    (tmp_path / "work/a/check.sh").write_text("test -f made\n")
    a = script("a", bash("echo true > check.sh"), bash("touch made"), FINISH)
    tasks = [task("a", verify="sh check.sh", protected_paths=["check.sh"])]
    stopper = Stopper()
    first = await run_tasks(
        tasks, [a], on_start=stopper.attach, on_event=when(e.ToolFinished, stopper.at_once)
    )
    assert first.task.resumable
    second = await run_tasks(tasks, [a], resume_run=first.outcome.run_folder)
    assert second.task.status == "completed"
    assert second.task.tampering == ["check.sh"]
    assert (tmp_path / "work/a/check.sh").read_text() == "test -f made\n"


async def test_an_endpoint_that_is_gone_stops_the_run_and_it_goes_on(run_tasks: Any) -> None:
    names = [f"t{n}" for n in range(6)]
    gone = [script(name, Fault(kind="disconnect", times=99), FINISH) for name in names]
    tasks = [task(name) for name in names]
    first = await run_tasks(tasks, gone, parallel=3, max_retries=0)
    state = first.outcome.state
    assert "The endpoint does not answer: 3 tasks in a row failed" in state.finished.error
    assert first.outcome.exit_code == 1
    assert all(t.resumable for t in state.tasks.values())
    assert state.count("error") >= 3
    assert state.count("cancelled") > 0
    back = [script(name, WORK, FINISH) for name in names]
    second = await run_tasks(tasks, back, parallel=3, resume_run=first.outcome.run_folder)
    assert second.outcome.exit_code == 0
    assert len(second.of_type(e.TaskResumed)) == state.count("error")
