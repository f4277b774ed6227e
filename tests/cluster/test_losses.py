"""Machines are lost in the middle of tasks' work, and engines: the tasks go on."""

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.runs import events as e
from agentbatch.runs.events import Event
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.store.store import Store
from agentbatch.tasks.run.assemble import cluster_workspaces
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.workspace.workspace import Workspaces
from tests.support.ray_cluster import RayCluster
from tests.tasks.run.conftest import Ran, RunTasks, run_tasks
from tests.tasks.run.verdicts import COMPLETE

__all__ = ["run_tasks"]

pytestmark = pytest.mark.slow

FINISH = Say(calls=[ScriptedCall(name="finish", arguments={"summary": "Done."})])


def bash(command: str) -> Say:
    return Say(calls=[ScriptedCall(name="bash", arguments={"command": command})])


def write(path: str, content: str) -> Say:
    return Say(calls=[ScriptedCall(name="write_file", arguments={"path": path, "content": content})])


def answers(ran: Ran) -> list[str]:
    """What the coder was told of its calls, but for the last one."""
    return [str(one["content"]) for one in ran.coder_requests()[-1]["messages"] if one["role"] == "tool"]


def script(prompt: str, steps: Sequence[Say]) -> Script:
    return Script(prompt=prompt, coder=[*steps, FINISH], evaluator=[Say(verdict=COMPLETE)])


def on(cluster: RayCluster) -> Callable[[PreparedRun, Store], Workspaces]:
    def opened(prepared: PreparedRun, store: Store) -> Workspaces:
        return cluster_workspaces(prepared, store, cluster.address, cluster.argv())

    return opened


class LosesMachine:
    """Kills the machine that a task is on, a moment after the first call of a tool whose arguments have `words`."""

    def __init__(self, cluster: RayCluster, words: str, times: int = 1, after: float = 1.0) -> None:
        self._cluster = cluster
        self._words = words
        self._left = times
        self._after = after
        self._doing: set[asyncio.Task[None]] = set()
        self.killed: list[str] = []

    def __call__(self, event: Event, state: RunState) -> None:
        if isinstance(event, e.ToolCalled) and self._words in str(event) and self._left:
            self._left -= 1
            doing = asyncio.ensure_future(self._lose(state.by_id[event.task_id].place.removeprefix("node ")))
            self._doing.add(doing)

    async def _lose(self, machine: str) -> None:
        await asyncio.sleep(self._after)
        self.killed.append(machine)
        await asyncio.to_thread(self._cluster.kill_machine, machine)
        await asyncio.to_thread(self._cluster.add_machine, machine)


async def test_a_machine_is_lost_under_a_command(
    cluster: RayCluster, run_tasks: RunTasks, tmp_path: Path
) -> None:
    work = script(
        "Go.", [write("a.txt", "written\n"), bash("echo b > b.txt; sleep 6"), bash("cat a.txt; ls")]
    )
    loses = LosesMachine(cluster, "sleep 6")
    ran = await run_tasks(
        [{"id": "t", "dir": "work", "first_prompt": "Go.", "verify": "grep -q written a.txt"}],
        [work],
        open_workspaces=on(cluster),
        on_event=loses,
        environ={"RAY_AUTH_MODE": "disabled"},
    )
    assert ran.task.status == "completed", ran.task.error
    _, lost, after = answers(ran)
    assert "Interrupted, outcome unknown" in lost
    assert "after the call before this" in lost
    assert "written" in after
    assert "b.txt" not in after, "what the command had done is gone with the machine"
    notices = [one.text for one in ran.of_type(e.Notice) if "was lost" in one.text]
    assert len(notices) == 1
    assert loses.killed[0] in notices[0]
    places = [one.place for one in ran.of_type(e.TaskPlaced) if one.place.startswith("node")]
    assert len(places) == 2
    assert (tmp_path / "work/a.txt").read_text() == "written\n"
    assert os.listdir(tmp_path / "work") == ["a.txt"]


async def test_twice_lost_at_the_same_step_is_an_error(
    cluster: RayCluster, run_tasks: RunTasks, tmp_path: Path
) -> None:
    work = script("Go.", [write("a.txt", "written\n"), bash("sleep 5"), bash("sleep 5"), bash("true")])
    loses = LosesMachine(cluster, "sleep 5", times=2)
    ran = await run_tasks(
        [{"id": "t", "dir": "work", "first_prompt": "Go.", "verify": "true"}],
        [work],
        open_workspaces=on(cluster),
        on_event=loses,
        environ={"RAY_AUTH_MODE": "disabled"},
    )
    assert (ran.task.status, ran.task.reason) == ("error", "workspace_error")
    assert "lost 2 times at the same step" in ran.task.error
    assert all(machine in ran.task.error for machine in loses.killed)
    assert (tmp_path / "work/a.txt").read_text() == "written\n", "what was brought home before is kept"


async def test_a_machine_is_lost_while_the_coder_thinks(
    cluster: RayCluster, run_tasks: RunTasks, tmp_path: Path
) -> None:
    slow = Say(calls=[ScriptedCall(name="bash", arguments={"command": "cat a.txt"})], delay=15.0)
    work = script("Go.", [write("a.txt", "written\n"), slow])
    loses = LosesMachine(cluster, "a.txt", after=2.0)
    ran = await run_tasks(
        [{"id": "t", "dir": "work", "first_prompt": "Go.", "verify": "grep -q written a.txt"}],
        [work],
        open_workspaces=on(cluster),
        on_event=loses,
        environ={"RAY_AUTH_MODE": "disabled"},
    )
    assert ran.task.status == "completed", ran.task.error
    _, answer = answers(ran)
    assert answer.startswith("[The machine that you worked on was lost")
    assert "\nwritten\n" in answer
