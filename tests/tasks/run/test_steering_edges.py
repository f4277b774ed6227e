"""Commands that reach an engine at awkward moments."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from tests.support.waiting import PATIENCE
from tests.tasks.run.awkward_moments import FINISH, HELD, Hand, bash, script, task


async def test_a_stop_while_paused_ends_a_task_that_was_in_a_command(run_tasks: Any) -> None:
    def pause_and_stop(hand: Hand) -> None:
        hand.steering.pause(None)
        hand.steering.stop(False)

    a = script("a", bash("sleep 0.5"), bash("true"), FINISH)
    hand = Hand(e.ToolCalled, pause_and_stop)
    async with asyncio.timeout(PATIENCE):
        ran = await run_tasks([task("a")], [a], on_start=hand.attach, on_event=hand.on_event)
    assert (ran.task.status, ran.task.resumable) == ("cancelled", True)


@pytest.mark.slow
async def test_a_paused_task_that_was_cancelled_and_is_tried_again_is_not_held(
    run_tasks: Any, tmp_path: Path
) -> None:
    def pause_and_cancel(hand: Hand) -> None:
        hand.steering.pause("a")
        hand.steering.cancel_task("a")

    a, b = script("a", bash("true"), FINISH), script("b", bash(HELD), FINISH)
    first = Hand(e.ToolCalled, pause_and_cancel, "a")

    def retry_soon(_: Hand | None = None) -> None:
        try:
            first.steering.retry_task("a")
        except UserError:  # it is still finishing
            asyncio.get_running_loop().call_later(0.02, retry_soon)

    retry = Hand(e.TaskFinished, retry_soon, "a")
    over = Hand(e.TaskFinished, lambda _: (tmp_path / "work/b/go").touch(), "a", number=2)

    def both(event: e.Event, state: RunState) -> None:
        for hand in (first, retry, over):
            hand.on_event(event, state)

    async with asyncio.timeout(PATIENCE):
        ran = await run_tasks([task("a"), task("b")], [a, b], on_start=first.attach, on_event=both)
    assert {t.id: t.status for t in ran.outcome.state.tasks.values()} == {"a": "completed", "b": "completed"}


async def test_retry_in_the_moment_of_its_end_is_no_crash(run_tasks: Any) -> None:
    """The state tells of the end before the scheduler knows: `Control` can take a refusal, and nothing else."""
    answers: list[str] = []

    def retry(hand: Hand) -> None:
        def ask() -> None:
            try:
                answers.append(hand.steering.retry_task("a"))
            except UserError as error:
                answers.append(str(error))

        asyncio.get_running_loop().call_soon(ask)

    a, b = script("a", bash("true"), FINISH), script("b", bash("sleep 1"), FINISH)
    hand = Hand(e.TaskFinished, retry, "a")
    async with asyncio.timeout(PATIENCE):
        ran = await run_tasks([task("a"), task("b")], [a, b], on_start=hand.attach, on_event=hand.on_event)
    assert len(answers) == 1
    assert ran.outcome.state.count("completed") == 2


async def test_cancelled_and_tried_again_it_begins_from_its_start(run_tasks: Any, tmp_path: Path) -> None:
    a, b = script("a", bash(HELD), FINISH), script("b", bash("echo 1 >> log"), bash("true"), FINISH)
    tasks = [task("a"), task("b")]

    hand = Hand(e.ToolFinished, Hand.at_once, "b")
    first = await run_tasks(tasks, [a, b], on_start=hand.attach, on_event=hand.on_event)
    assert all(t.resumable for t in first.outcome.state.tasks.values())
    (tmp_path / "work/a").mkdir(parents=True, exist_ok=True)
    (tmp_path / "work/a/go").touch()

    def cancel_and_retry(hand: Hand) -> None:
        hand.steering.cancel_task("b")
        hand.steering.retry_task("b")

    again = Hand(e.TaskResumed, cancel_and_retry, "a")
    second = await run_tasks(
        tasks, [a, b], parallel=1, resume_run=first.outcome.run_folder,
        on_start=again.attach, on_event=again.on_event,
    )  # fmt: skip
    assert "b" not in {event.task_id for event in second.of_type(e.TaskResumed)}
    assert (second.folder / "work/b/log").read_text() == "1\n1\n"


@pytest.mark.parametrize("how", ["cancel", "stop"])
async def test_who_is_cut_off_while_its_work_is_kept_still_ends(
    run_tasks: Any, tmp_path: Path, how: str
) -> None:
    (tmp_path / "work/a").mkdir(parents=True)
    (tmp_path / "work/a/old.txt").write_text("old\n")

    def cut_off(hand: Hand) -> None:
        act = partial(hand.steering.cancel_task, "a") if how == "cancel" else hand.at_once
        asyncio.get_running_loop().call_soon(act)

    a = script("a", bash("echo made > made.txt"), FINISH)
    tasks = [task("a", isolation="copy")]
    hand = Hand(e.VerdictReached, cut_off)
    ran = await run_tasks(tasks, [a], apply=True, on_start=hand.attach, on_event=hand.on_event)
    assert ran.task.finished
