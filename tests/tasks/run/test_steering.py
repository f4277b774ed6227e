"""Commands from another process, through the database, to an engine at work."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Fault
from agentbatch.runs import events as e
from agentbatch.runs.control.commands import Answer
from tests.support.clocks import MovedClock
from tests.tasks.run.awkward_moments import FINISH, Outside, bash, both, once, script, task

HELD = bash("until [ -e go ]; do sleep 0.02; done")
"""A command that ends when the test says so."""


@pytest.mark.slow
async def test_a_paused_run_makes_no_calls_and_its_time_limits_stand_still(
    run_tasks: Any, tmp_path: Path
) -> None:
    clock = MovedClock()

    def go_on(outside: Outside) -> None:
        clock.move_on(7200)
        outside.ask("resume-paused")

    def go_on_later(outside: Outside) -> None:
        asyncio.get_running_loop().call_later(0.5, go_on, outside)

    outside = Outside(
        tmp_path,
        both(
            once(e.ToolCalled, lambda o: o.ask("pause")),
            once(e.Paused, lambda o: o.let_go("a")),
            once(e.ToolFinished, go_on_later),
        ),
    )
    scripts = [script("a", HELD, FINISH), script("b", bash("touch x"), FINISH)]
    ran = await run_tasks(
        [task("a", timeout=3600.0), task("b")], scripts, parallel=1, on_event=outside.on_event
    )
    assert ran.outcome.exit_code == 0, [each.error for each in ran.outcome.state.tasks.values()]
    paused = next(event.ts for event in ran.events if isinstance(event, e.Paused))
    resumed = next(event.ts for event in ran.events if isinstance(event, e.Resumed))
    started = [event.ts for event in ran.of_type(e.ModelCallStarted)]
    assert not [ts for ts in started if paused < ts < resumed]
    assert [(name, answer.ok) for name, answer in await outside.answers()] == [
        ("pause", True), ("resume-paused", True),
    ]  # fmt: skip


async def test_one_task_is_paused_and_the_others_go_on(run_tasks: Any, tmp_path: Path) -> None:
    a, b = script("a", HELD, FINISH), script("b", HELD, FINISH)
    outside = Outside(
        tmp_path,
        both(
            once(e.ToolCalled, lambda o: o.ask("pause", task="a"), number=2),
            once(e.Paused, lambda o: o.let_go("a", "b")),
            once(e.TaskFinished, lambda o: o.ask("resume-paused", task="a"), "b"),
        ),
    )
    ran = await run_tasks([task("a"), task("b")], [a, b], on_event=outside.on_event)
    assert ran.outcome.exit_code == 0
    order = [event.task_id for event in ran.of_type(e.TaskFinished)]
    assert order == ["b", "a"]
    assert {name: answer.ok for name, answer in await outside.answers()} == {
        "pause": True,
        "resume-paused": True,
    }


async def test_a_cancelled_task_ends_and_is_not_resumed(run_tasks: Any, tmp_path: Path) -> None:
    a, b = script("a", HELD, FINISH), script("b", HELD, FINISH)
    outside = Outside(
        tmp_path,
        both(
            once(e.ToolCalled, lambda o: o.ask("cancel", task="c"), number=2),
            once(e.TaskFinished, lambda o: o.ask("cancel", task="a"), "c"),
            once(e.TaskFinished, lambda o: o.let_go("b"), "a"),
        ),
    )
    tasks = [task("a"), task("b"), task("c"), task("d", depends_on=["c"])]
    ran = await run_tasks(tasks, [a, b], parallel=2, on_event=outside.on_event)
    state = ran.outcome.state
    found = {t.id: (t.status, t.reason, t.resumable) for t in state.tasks.values()}
    assert found == {
        "a": ("cancelled", "cancelled", False),
        "b": ("completed", "accepted", False),
        "c": ("cancelled", "cancelled", False),
        "d": ("skipped", "dependency_failed", False),
    }
    assert state.tasks["d"].error == "It depends on c, which was not completed (cancelled)."
    assert ran.outcome.exit_code == 1


@pytest.mark.slow
async def test_a_failed_task_is_tried_again_while_the_run_goes_on(run_tasks: Any, tmp_path: Path) -> None:
    bad = script("bad", Fault(status=422, times=1), bash("touch x"), FINISH)
    long = script("long", HELD, FINISH)
    later = [script(name, bash("touch x"), FINISH) for name in ("after", "last")]
    tasks = [
        task("bad"),
        task("long"),
        task("after", depends_on=["bad"]),
        task("last", depends_on=["after", "bad"]),
    ]
    outside = Outside(
        tmp_path,
        both(
            once(e.TaskFinished, lambda o: o.ask("retry", task="bad"), "last"),
            once(e.TaskFinished, lambda o: o.let_go("long"), "last", number=2),
        ),
    )
    ran = await run_tasks(tasks, [bad, long, *later], on_event=outside.on_event)
    assert ran.outcome.exit_code == 0
    assert ran.outcome.state.tasks["bad"].reruns == 1
    assert [event.task_id for event in ran.of_type(e.TaskFinished) if event.status == "skipped"] == [
        "after",
        "last",
    ]
    assert (await outside.answers())[0][1] == Answer(True, "Task bad waits for its turn, from its start.")


async def test_concurrency_changes_at_once(run_tasks: Any, tmp_path: Path) -> None:
    names = [f"t{n}" for n in range(6)]
    scripts = [script(name, HELD, FINISH) for name in names]

    def ask_too_many(outside: Outside) -> None:
        outside.ask("set-concurrency", number=1001)
        outside.let_go_after_answers(*names)

    outside = Outside(
        tmp_path,
        both(
            once(e.ToolCalled, lambda o: o.ask("set-concurrency", number=6)),
            once(e.ToolCalled, ask_too_many, number=6),
        ),
    )
    ran = await run_tasks([task(n) for n in names], scripts, parallel=1, on_event=outside.on_event)
    assert ran.outcome.exit_code == 0
    assert ran.outcome.state.max_concurrent == 6
    answers = [answer for _, answer in await outside.answers()]
    assert Answer(False, "From 1 to 1000 tasks at the same time.") in answers  # more is for plain requests
    kinds = [type(event) for event in ran.events if isinstance(event, (e.TaskStarted, e.TaskFinished))]
    assert kinds == [e.TaskStarted] * 6 + [e.TaskFinished] * 6


async def test_stop_leaves_a_run_that_can_go_on(run_tasks: Any, tmp_path: Path) -> None:
    scripts = [script(name, HELD, FINISH) for name in ("a", "b")]
    outside = Outside(tmp_path, once(e.ToolCalled, lambda o: o.ask("stop", now=True)))
    ran = await run_tasks([task("a"), task("b")], scripts, parallel=1, on_event=outside.on_event)
    assert ran.outcome.exit_code == 130
    assert all(t.resumable for t in ran.outcome.state.tasks.values())
    (tmp_path / "work/b").mkdir(exist_ok=True)
    outside.let_go("a", "b")
    again = await run_tasks([task("a"), task("b")], scripts, resume_run=ran.outcome.run_folder)
    assert again.outcome.exit_code == 0


async def test_a_stop_while_paused_does_not_wait_for_ever(run_tasks: Any, tmp_path: Path) -> None:
    def stop_later(outside: Outside) -> None:
        asyncio.get_running_loop().call_later(0.5, lambda: outside.ask("stop"))

    a = script("a", HELD, bash("true"), FINISH)
    outside = Outside(
        tmp_path,
        both(
            once(e.ToolCalled, lambda o: o.ask("pause")),
            once(e.Paused, lambda o: o.let_go("a")),
            once(e.ToolFinished, stop_later),
        ),
    )
    ran = await run_tasks([task("a")], [a], on_event=outside.on_event)
    assert (ran.task.status, ran.task.resumable) == ("cancelled", True)


@pytest.mark.slow
async def test_what_cannot_be_is_refused_with_a_sentence(run_tasks: Any, tmp_path: Path) -> None:
    def ask_all(outside: Outside) -> None:
        outside.ask("cancel", task="bb")
        outside.ask("retry", task="b")
        outside.ask("resume-paused")
        outside.ask("resume-paused", task="b")
        outside.ask("pause", task="a")
        outside.let_go_after_answers("b")

    a, b = script("a", bash("touch x"), FINISH), script("b", HELD, FINISH)
    outside = Outside(tmp_path, once(e.TaskFinished, ask_all, "a"))
    ran = await run_tasks([task("a"), task("b")], [a, b], on_event=outside.on_event)
    assert ran.outcome.exit_code == 0
    assert sorted(answer.text for _, answer in await outside.answers()) == [
        "Nothing is paused.",
        "The task a is over: completed.",
        "The task b is not over yet: coding.",
        "The task b is not paused by itself.",
        "There is no task 'bb'; did you mean b?",
    ]
    assert not any(answer.ok for _, answer in await outside.answers())
