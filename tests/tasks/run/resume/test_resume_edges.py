"""Runs that were killed or stopped at awkward moments, and what going on makes of them."""

import shutil
from pathlib import Path
from typing import Any

from agentbatch.rehearsal.script import Fault, Say, ScriptedCall
from agentbatch.runs import events as e
from agentbatch.tasks.coders.builtin.turn import IN_FLIGHT, NOT_BEGUN
from tests.support.paths import CHECKOUT
from tests.tasks.run.awkward_moments import FINISH, INCOMPLETE, Hand, Killed, bash, script, task

AGENTS = CHECKOUT / "agents"


async def test_killed_after_the_verdict_it_ends_with_its_patch_and_no_call(
    run_tasks: Any, tmp_path: Path
) -> None:
    a = script("a", bash("echo made > made.txt"), FINISH)
    killed = Killed(tmp_path, e.TaskFinished)
    first = await run_tasks([task("a")], [a], on_event=killed.on_event)
    assert first.task.changed_files == 1
    folder = killed.restore()
    (folder / "tasks/a/changes.patch").unlink(missing_ok=True)
    second = await run_tasks([task("a")], [a], resume_run=folder)
    assert second.server.requests == []
    assert (second.task.status, second.task.changed_files) == ("completed", 1)
    assert (second.task.last_response, second.task.last_evaluation) == ("Done.", first.task.last_evaluation)
    assert "+made\n" in (second.task_folder("a") / "changes.patch").read_text()


async def test_killed_after_the_verdict_the_work_in_a_copy_is_not_lost(
    run_tasks: Any, tmp_path: Path
) -> None:
    (tmp_path / "work/a").mkdir(parents=True)
    (tmp_path / "work/a/old.txt").write_text("old\n")
    a = script("a", bash("echo made > made.txt"), FINISH)
    tasks = [task("a", isolation="copy")]
    killed = Killed(tmp_path, e.TaskFinished)
    await run_tasks(tasks, [a], on_event=killed.on_event, apply=True)
    folder = killed.restore()
    (tmp_path / "work/a/made.txt").unlink()
    second = await run_tasks(tasks, [a], resume_run=folder, apply=True)
    assert second.task.status == "completed"
    assert (tmp_path / "work/a/made.txt").read_text() == "made\n"


async def test_killed_while_the_judge_is_asked_the_turn_is_not_repeated(
    run_tasks: Any, tmp_path: Path
) -> None:
    a = script("a", bash("echo 1 >> log"), FINISH)
    killed = Killed(tmp_path, e.ModelCallStarted, number=3)
    await run_tasks([task("a")], [a], on_event=killed.on_event)
    second = await run_tasks([task("a")], [a], resume_run=killed.restore())
    assert (second.task.status, second.coder_requests()) == ("completed", [])
    assert len(second.evaluator_requests()) == 1


async def test_calls_that_were_under_way_at_a_kill_are_answered_and_not_repeated_by_us(
    run_tasks: Any, tmp_path: Path
) -> None:
    a = script("a", bash("echo 1 >> log", "echo 2 >> log", "echo 3 >> log"), FINISH)
    # The second result is not committed: its call may have happened.
    killed = Killed(tmp_path, e.ToolFinished, number=2, also="work")
    await run_tasks([task("a")], [a], on_event=killed.on_event)
    folder = killed.restore()
    assert (tmp_path / "work/a/log").read_text() == "1\n2\n"
    second = await run_tasks([task("a")], [a], resume_run=folder)
    messages = second.coder_requests()[0]["messages"]
    answers = [message["content"] for message in messages if message["role"] == "tool"]
    assert answers[1:] == [IN_FLIGHT, NOT_BEGUN]
    assert "Interrupted" not in answers[0]
    # The scripted coder repeats what may not have happened; we repeat nothing.
    assert (tmp_path / "work/a/log").read_text() == "1\n2\n2\n3\n"
    assert second.task.iteration == 1


async def test_a_shorter_time_limit_ends_it_with_what_it_has_done(run_tasks: Any, tmp_path: Path) -> None:
    (tmp_path / "work/a").mkdir(parents=True)
    a = script("a", bash("echo made > made.txt; sleep 0.3"), bash("true"), FINISH)
    hand = Hand(e.ToolFinished, Hand.at_once)
    first = await run_tasks([task("a")], [a], on_start=hand.attach, on_event=hand.on_event)
    second = await run_tasks([task("a")], [a], resume_run=first.outcome.run_folder, timeout=0.1)
    assert (second.task.status, second.task.reason) == ("timeout", "wall_clock")
    assert second.coder_requests() == []
    assert "made.txt" in (second.task_folder("a") / "coder.traj.json").read_text()
    assert second.task.changed_files == 1


async def test_a_beginning_that_cannot_be_read_ends_the_task_with_advice_and_work_in_place(
    run_tasks: Any, tmp_path: Path
) -> None:
    (tmp_path / "work/a").mkdir(parents=True)
    (tmp_path / "work/a/old.txt").write_text("old\n")
    a = script("a", bash("echo made > made.txt"), FINISH)
    tasks = [task("a", isolation="copy")]
    hand = Hand(e.ToolFinished, Hand.at_once)
    first = await run_tasks(tasks, [a], on_start=hand.attach, on_event=hand.on_event)
    (first.task_folder("a") / "beginning.json").write_text("{")
    second = await run_tasks(tasks, [a], resume_run=first.outcome.run_folder)
    assert (second.task.status, second.task.reason) == ("error", "workspace_error")
    assert "--retry-failed" in second.task.error
    assert list(second.task_folder("a").glob("work/**/made.txt"))
    third = await run_tasks(tasks, [a], resume_run=first.outcome.run_folder, retry_failed=True)
    assert third.task.status == "completed"
    assert not (third.task_folder("a") / "beginning.json").exists()  # nobody needs it any more


async def test_a_copy_that_is_gone_is_not_silently_begun_again(run_tasks: Any, tmp_path: Path) -> None:
    (tmp_path / "work/a").mkdir(parents=True)
    (tmp_path / "work/a/old.txt").write_text("old\n")
    a = script("a", bash("echo made > made.txt"), FINISH)
    tasks = [task("a", isolation="copy")]
    hand = Hand(e.ToolFinished, Hand.at_once)
    first = await run_tasks(tasks, [a], on_start=hand.attach, on_event=hand.on_event)
    shutil.rmtree(first.task_folder("a") / "work")
    second = await run_tasks(tasks, [a], resume_run=first.outcome.run_folder)
    assert (second.task.status, second.task.reason) == ("error", "workspace_error")
    assert "--retry-failed" in second.task.error
    assert second.server.requests == []


async def test_a_task_that_had_no_turn_in_a_session_goes_on_in_the_next(
    run_tasks: Any, tmp_path: Path
) -> None:
    b = script("b", bash("touch a"), FINISH, bash("touch b"), FINISH, judge=(Say(verdict=INCOMPLETE),))
    scripts = [script("a", bash("sleep 0.5"), FINISH), b]
    hand = Hand(e.VerdictReached, Hand.at_once, "b")
    tasks = [task("b"), task("a")]
    first = await run_tasks(tasks, scripts, parallel=1, on_start=hand.attach, on_event=hand.on_event)
    folder = first.outcome.run_folder
    assert first.outcome.state.tasks["b"].last_evaluation
    # a comes first now, and the run is stopped while b waits.
    again = Hand(e.ToolCalled, Hand.at_once, "a")
    tasks = [task("b"), task("a", priority=5)]
    second = await run_tasks(
        tasks, scripts, parallel=1, resume_run=folder, on_start=again.attach, on_event=again.on_event
    )
    left = second.outcome.state.tasks["b"]
    assert (left.status, left.resumable, left.iteration) == ("cancelled", True, 1)
    assert "b" not in {event.task_id for event in second.of_type(e.TaskResumed)}
    third = await run_tasks(tasks, scripts, resume_run=folder)
    assert third.outcome.exit_code == 0
    assert [v.iteration for v in third.outcome.state.tasks["b"].verdicts] == [1, 2]


async def test_what_a_task_said_is_still_told_after_a_session_without_a_turn_of_its_own(
    run_tasks: Any, tmp_path: Path
) -> None:
    b = script("b", bash("touch a"), FINISH, bash("touch b"), FINISH, judge=(Say(verdict=INCOMPLETE),))
    scripts = [script("a", bash("sleep 0.5"), FINISH), b]
    hand = Hand(e.VerdictReached, lambda hand: hand.engine.signal(), "b")
    first = await run_tasks(
        [task("b"), task("a")], scripts, parallel=1, on_start=hand.attach, on_event=hand.on_event
    )
    before = first.outcome.state.tasks["b"]
    assert (before.resumable, before.last_response, before.changed_files) == (True, "Done.", 1)
    again = Hand(e.ToolCalled, Hand.at_once, "a")
    second = await run_tasks(
        [task("b"), task("a", priority=5)], scripts, parallel=1, resume_run=first.outcome.run_folder,
        on_start=again.attach, on_event=again.on_event,
    )  # fmt: skip
    after = second.outcome.state.tasks["b"]
    assert (after.resumable, after.last_response, after.changed_files) == (True, "Done.", 1)
    assert after.last_evaluation == before.last_evaluation
    assert "Not begun" not in after.error


async def test_a_task_begun_again_never_finds_the_conversation_before(run_tasks: Any) -> None:
    # A longer one, whose end would stick out behind the new one.
    bad = script("a", bash("touch first"), bash("true"), bash("true"), Fault(status=422))
    first = await run_tasks([task("a")], [bad])
    assert first.task.status == "error"
    folder = first.outcome.run_folder
    good = script("a", bash("touch second"), FINISH)
    hand = Hand(e.ModelCallFinished, Hand.at_once)
    second = await run_tasks(
        [task("a")], [good], resume_run=folder, retry_failed=True,
        on_start=hand.attach, on_event=hand.on_event,
    )  # fmt: skip
    assert (second.task.reruns, second.task.resumable) == (1, True)
    third = await run_tasks([task("a")], [good], resume_run=folder)
    assert third.task.status == "completed"
    messages = third.coder_requests()[0]["messages"]
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "tool"]
    assert "touch second" in str(messages[2])


async def test_a_task_whose_session_ended_before_its_first_prompt_begins_from_the_start(
    run_tasks: Any, tmp_path: Path
) -> None:
    a = script("a", bash("touch x"), FINISH)
    killed = Killed(tmp_path, e.IterationStarted)
    await run_tasks([task("a")], [a], on_event=killed.on_event)
    second = await run_tasks([task("a")], [a], resume_run=killed.restore())
    assert second.task.status == "completed"
    assert len(second.coder_requests()) == 2


async def test_missing_outputs_do_not_hide_the_task_that_was_making_them(
    run_tasks: Any, tmp_path: Path
) -> None:
    a, b = (
        script("a", bash("touch out"), bash("echo whole > out"), FINISH),
        script("b", bash("touch out"), FINISH),
    )
    tasks = [task("a", outputs=["work/a/out"]), task("b", outputs=["work/b/out"])]
    hand = Hand(e.ToolFinished, Hand.at_once, "a")
    first = await run_tasks(
        tasks, [a, b], parallel=1, missing=True, on_start=hand.attach, on_event=hand.on_event
    )
    assert first.outcome.state.tasks["a"].resumable
    second = await run_tasks(tasks, [a, b], missing=True, resume_run=first.outcome.run_folder)
    assert second.outcome.exit_code == 0
    assert (tmp_path / "work/a/out").read_text() == "whole\n"


async def test_a_task_that_left_the_file_and_came_back_goes_on(run_tasks: Any) -> None:
    a, b = script("a", bash("touch x"), FINISH), script("b", bash("touch x"), FINISH)
    hand = Hand(e.ToolFinished, Hand.at_once, "a")
    first = await run_tasks([task("a")], [a, b], on_start=hand.attach, on_event=hand.on_event)
    folder = first.outcome.run_folder
    second = await run_tasks([task("b")], [a, b], resume_run=folder)
    assert second.outcome.state.tasks["a"].reason == "left_out"
    third = await run_tasks([task("a"), task("b")], [a, b], resume_run=folder)
    assert third.outcome.state.tasks["a"].status == "completed"


async def test_half_a_character_in_what_a_model_said_does_not_shut_the_run(run_tasks: Any) -> None:
    """Models cut emoji in two; JSON carries the half as an escape."""
    odd = Say(calls=[ScriptedCall(name="finish", arguments='{"summary": "half \\ud83d of it"}')])
    a, b = script("a", bash("touch x"), odd), script("b", bash("touch x"), FINISH)
    hand = Hand(e.TaskFinished, Hand.at_once)
    first = await run_tasks(
        [task("a"), task("b")], [a, b], parallel=1, on_start=hand.attach, on_event=hand.on_event
    )
    second = await run_tasks([task("a"), task("b")], [a, b], resume_run=first.outcome.run_folder)
    assert second.outcome.exit_code == 0


async def test_what_was_there_at_the_beginning_is_no_change(run_tasks: Any, tmp_path: Path) -> None:
    (tmp_path / "work/a").mkdir(parents=True)
    (tmp_path / "work/a/old.txt").write_text("old\n")
    a = script("a", bash("echo made > made.txt"), FINISH)
    hand = Hand(e.ToolFinished, Hand.at_once)
    first = await run_tasks([task("a")], [a], on_start=hand.attach, on_event=hand.on_event)
    second = await run_tasks([task("a")], [a], resume_run=first.outcome.run_folder)
    assert (second.task.status, second.task.changed_files) == ("completed", 1)
    assert "old" not in (second.task_folder("a") / "changes.patch").read_text()


async def test_steps_of_a_turn_are_counted_over_sessions(run_tasks: Any, tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    definition = (AGENTS / "coder.toml").read_text().replace("steps = 100 ", "steps = 3 ")
    (tmp_path / "agents/coder.toml").write_text(definition)
    a = script("a", bash("touch a"), bash("touch b"), bash("touch c"), FINISH)
    hand = Hand(e.ToolFinished, Hand.at_once, number=2)
    first = await run_tasks([task("a")], [a], on_start=hand.attach, on_event=hand.on_event, max_iterations=1)
    second = await run_tasks([task("a")], [a], resume_run=first.outcome.run_folder, max_iterations=1)
    assert len(second.coder_requests()) == 1
    assert [event.end for event in second.of_type(e.TurnFinished)] == ["step_limit"]


async def test_more_iterations_let_a_task_go_on_that_was_killed_at_its_last(
    run_tasks: Any, tmp_path: Path
) -> None:
    a = script("a", bash("touch a"), FINISH, bash("touch b"), FINISH, judge=(Say(verdict=INCOMPLETE),))
    killed = Killed(tmp_path, e.TaskFinished)
    await run_tasks([task("a")], [a], on_event=killed.on_event, max_iterations=1)
    second = await run_tasks([task("a")], [a], resume_run=killed.restore(), max_iterations=2)
    assert second.task.status == "completed"
    (started,) = second.of_type(e.IterationStarted)
    assert started.iteration == 2
    # No follow-up was written after the last iteration: what spoke against it is told instead.
    assert "b" in started.prompt


async def test_an_endpoint_that_is_too_busy_leaves_the_task_resumable(run_tasks: Any) -> None:
    busy = script("a", Fault(status=429, times=99), FINISH)
    first = await run_tasks([task("a")], [busy], max_retries=0)
    assert (first.task.reason, first.task.resumable) == ("model_error", True)
    good = script("a", bash("touch x"), FINISH)
    second = await run_tasks([task("a")], [good], resume_run=first.outcome.run_folder)
    assert second.task.status == "completed"
