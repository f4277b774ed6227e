"""A user's shell in the place of a task: when there can be one, and what the task is told."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.runs.visits import Visit, note_visit, visiting
from agentbatch.tasks.run.steering import Steering
from agentbatch.tasks.run.user.open_shell import leads_elsewhere, shares_with
from agentbatch.tasks.run.user.visiting import why_not_visited
from agentbatch.tasks.spec.plan import Plan, PlannedTask
from agentbatch.tasks.spec.task import Task
from tests.support.waiting import until
from tests.tasks.run.awkward_moments import FINISH, bash, script, task


def state(**fields: Any) -> TaskState:
    return TaskState(id="t", index=0, dir="w", max_iterations=3, **fields)


CODING = {"status": "coding", "started_at": 1.0}
OVER = {"status": "error", "started_at": 1.0, "finished_at": 2.0}


@pytest.mark.parametrize(
    ("fields", "facts", "words"),
    [
        (OVER, "", ""),
        ({**OVER, "resumable": True}, "", ""),
        (OVER, "running", "is still finishing"),
        (OVER, "awaits", "its place may go any moment"),
        (CODING, "running paused still awaits", ""),
        ({}, "", "waits for its turn"),
        (CODING, "", ""),
        (CODING, "running", "Pause it first: agentbatch pause t"),
        (CODING, "running still", "Pause it first"),
        (CODING, "running paused", "its call or command under way ends first"),
        (CODING, "running paused still", ""),
        ({**CODING, "status": "evaluating"}, "running paused still", "is being evaluated"),
        (CODING, "running paused still tried", "name an attempt, t@1"),
    ],
)
def test_when_there_can_be_a_shell(fields: Any, facts: str, words: str) -> None:
    given = {name: name in facts.split() for name in ("tried", "running", "paused", "still", "awaits")}
    why = why_not_visited(state(**fields), **given)
    assert (words in why) if words else not why


@pytest.mark.parametrize(
    ("other", "isolation", "found"),
    [
        ({"started_at": 1.0}, "none", "b"),
        ({"started_at": 1.0, "paused": True}, "none", ""),
        ({"started_at": 1.0, "finished_at": 2.0}, "none", ""),
        ({}, "none", ""),
        ({"started_at": 1.0}, "copy", ""),
    ],
)
def test_who_works_in_the_same_directory(other: Any, isolation: Any, found: str) -> None:
    planned = [
        PlannedTask(name, place, Task(first_prompt="x"), Path("/w"), 3, None, isolation=kind)
        for place, (name, kind) in enumerate({"a": isolation, "b": "none", "c": "none"}.items())
    ]
    known = RunState(tasks={"b": state(**other).model_copy(update={"id": "b"})})
    assert shares_with(Plan(tuple(planned), (("a", "b"),)), known, planned[0]) == found


@pytest.mark.parametrize("planted", ["link", "fifo", "folder"])
def test_what_a_task_has_put_in_the_place_of_the_lock_is_named(tmp_path: Path, planted: str) -> None:
    lock = tmp_path / "tasks/t/visit.lock"
    lock.parent.mkdir(parents=True)
    match planted:
        case "link":
            lock.symlink_to(tmp_path / "victim")
        case "fifo":
            os.mkfifo(lock)
        case "folder":
            lock.mkdir()
    with (
        pytest.raises(UserError, match=r"visit\.lock is a link, or no file"),
        visiting(RunFolder(tmp_path), "t"),
    ):
        pass
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize(("before", "found"), [("a folder", True), ("the same link", False)])
def test_a_link_that_came_since_is_not_visited(tmp_path: Path, before: str, found: bool) -> None:
    (tmp_path / "w").symlink_to("victim")
    now = PlannedTask("t", 0, Task(dir="w", first_prompt="x"), tmp_path / "victim", 3, None)
    then = replace(now, root=tmp_path / "w") if before == "a folder" else now
    assert leads_elsewhere(tmp_path, state(definition=then.definition), now) is found


async def test_nothing_goes_on_while_it_is_open_and_then_its_coder_is_told(run_tasks: Any) -> None:
    engines: list[Any] = []
    refused: list[str] = []

    async def visit() -> None:
        (engine,) = engines
        steering, folder = Steering(engine), engine.context.store.folder
        with pytest.raises(UserError, match="Pause it first"):
            steering.visit("a")
        steering.pause("a")
        await until(lambda: "a" in engine.signals.held)
        with visiting(folder, "a"):
            assert steering.visit("a") == "Task a stands still."
            for ask in (steering.unpause, steering.cancel_task):
                with pytest.raises(UserError) as raised:
                    ask("a")
                refused.append(str(raised.value))
            steering.pause(None)
            engine.signals.pauses.tasks.clear()  # as if the run alone were paused
            with pytest.raises(UserError, match="A shell is open"):
                steering.unpause(None)
            steering.pause("a")
            note_visit(folder, "a", Visit())
            note_visit(folder, "a", Visit(2.0, ("hint.txt",)))
        steering.unpause(None)

    visits: list[asyncio.Task[None]] = []

    def on_event(event: e.Event, _: RunState) -> None:
        if isinstance(event, e.ToolCalled) and not visits:
            visits.append(asyncio.ensure_future(visit()))

    ran = await run_tasks(
        [task("a", verify="true")],
        [script("a", bash("touch x"), bash("touch y"), FINISH)],
        on_event=on_event,
        on_start=engines.append,
    )
    await visits[0]
    assert ran.task.status == "completed"
    assert {text[:35] for text in refused} == {"A shell is open in the place of tas"}
    (visited,) = ran.of_type(e.Visited)
    assert (visited.seconds, visited.changed) == (2.0, ["hint.txt"])
    heard = [str(body["messages"]) for body in ran.coder_requests()]
    assert ["had a shell in your directory" in text for text in heard][-1]
