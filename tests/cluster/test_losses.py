"""Machines are lost in the middle of tasks' work, and engines: the tasks go on."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentbatch.cluster.remote.workspace import UNKNOWN
from agentbatch.cluster.stations import waiting
from agentbatch.runs import events as e
from agentbatch.runs.events import Event
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.store.store import Store
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.tasks.run.steering import Steering
from agentbatch.workspace.workspace import Workspaces
from tests.cluster.work import Beside, LosesMachine, answers, bash, machine_of, on, script, write
from tests.support.ray_cluster import RayCluster
from tests.support.waiting import until
from tests.tasks.run.conftest import RunTasks, run_tasks

__all__ = ["run_tasks"]

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def wiped(cluster: RayCluster) -> Iterator[None]:
    """A run clears nothing on a machine that is not there when it ends."""
    yield
    cluster.wipe()


async def test_a_machine_is_lost_under_a_command(
    cluster: RayCluster, run_tasks: RunTasks, tmp_path: Path
) -> None:
    work = script(
        "Go.", [write("a.txt", "written\n"), bash("echo b > b.txt; sleep 600"), bash("cat a.txt; ls")]
    )
    loses = LosesMachine(cluster, "b.txt")
    ran = await run_tasks(
        [{"id": "t", "dir": "work", "first_prompt": "Go.", "verify": "grep -q written a.txt"}],
        [work],
        open_workspaces=on(cluster),
        on_event=loses,
        environ={"RAY_AUTH_MODE": "disabled"},
    )
    await loses.over()
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
    assert len(ran.coder_requests()) == 4, "no call of the model is made again"
    assert [one.summary for one in ran.of_type(e.ToolFinished)].count(UNKNOWN) == 1


async def test_twice_lost_at_the_same_step_is_an_error(
    cluster: RayCluster, run_tasks: RunTasks, tmp_path: Path
) -> None:
    falls = bash("touch begun; sleep 600")
    work = script("Go.", [write("a.txt", "written\n"), falls, falls, bash("true")])
    loses = LosesMachine(cluster, "begun", times=2)
    ran = await run_tasks(
        [{"id": "t", "dir": "work", "first_prompt": "Go.", "verify": "true"}],
        [work],
        open_workspaces=on(cluster),
        on_event=loses,
        environ={"RAY_AUTH_MODE": "disabled"},
    )
    await loses.over()
    assert (ran.task.status, ran.task.reason) == ("error", "workspace_error")
    assert "lost 2 times at the same step" in ran.task.error
    assert all(machine in ran.task.error for machine in loses.killed)
    assert (tmp_path / "work/a.txt").read_text() == "written\n", "what was brought home before is kept"


async def test_a_machine_is_lost_while_the_coder_thinks(
    cluster: RayCluster, run_tasks: RunTasks, tmp_path: Path
) -> None:
    engines: list[Any] = []
    opened: list[Any] = []
    losing = Beside()

    def open_workspaces(prepared: PreparedRun, store: Store) -> Workspaces:
        found = on(cluster)(prepared, store)
        opened.append(found)
        return found

    async def lose(machine: str) -> None:
        await asyncio.to_thread(cluster.kill_machine, machine)
        await until(lambda: opened[0].connection.gone, "nobody has noticed that the machine is lost")
        await asyncio.to_thread(cluster.add_machine, machine)
        Steering(engines[0]).unpause("t")

    def on_event(event: Event, state: RunState) -> None:
        if isinstance(event, e.ToolFinished) and event.tool == "write_file":
            Steering(engines[0]).pause("t")  # before the next call of the model
            losing.begin(lose(machine_of(state)))

    ran = await run_tasks(
        [{"id": "t", "dir": "work", "first_prompt": "Go.", "verify": "grep -q written a.txt"}],
        [script("Go.", [write("a.txt", "written\n"), bash("cat a.txt")])],
        open_workspaces=open_workspaces,
        on_event=on_event,
        on_start=engines.append,
        environ={"RAY_AUTH_MODE": "disabled"},
    )
    await losing.over()
    assert ran.task.status == "completed", ran.task.error
    _, answer = answers(ran)
    assert answer.startswith("[The machine that you worked on was lost")
    assert "\nwritten\n" in answer


async def test_a_task_that_no_machine_can_take_lets_others_go_on(
    cluster: RayCluster, run_tasks: RunTasks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "PATIENCE", 0.5)
    adding = Beside()

    def on_event(event: Event, state: RunState) -> None:
        completed = {name for name, task in state.tasks.items() if task.status == "completed"}
        if isinstance(event, e.TaskFinished) and completed == {"a", "b"}:
            adding.begin(asyncio.to_thread(cluster.add_machine, "127.0.0.4", 3))

    ran = await run_tasks(
        [
            {"id": "wide", "dir": "wide", "first_prompt": "Go wide.", "verify": "true", "cpus": 3},
            {"id": "a", "dir": "a", "first_prompt": "Go a.", "verify": "true"},
            {"id": "b", "dir": "b", "first_prompt": "Go b.", "verify": "true"},
        ],
        [script(f"Go {name}.", [write("a.txt", "written\n")]) for name in ("wide", "a", "b")],
        open_workspaces=on(cluster),
        on_event=on_event,
        environ={"RAY_AUTH_MODE": "disabled"},
        parallel="1",
    )
    await adding.over()
    await asyncio.to_thread(cluster.remove_machine, "127.0.0.4")
    assert [one.task_id for one in ran.of_type(e.TaskFinished)][2:] == ["wide"]
    assert {one.status for one in ran.outcome.state.tasks.values()} == {"completed"}
    placed = [one for one in ran.of_type(e.TaskPlaced) if one.task_id == "wide"]
    places = [(one.place, one.waits) for one in placed if one.place != waiting.UNREACHED]
    assert places[0] == ("waiting for a node with cpus 3", True)
    assert places[-1] == ("node 127.0.0.4", False)
    assert set(places[1:-1]) <= {("waiting for a node", True)}, "a look at the machines when it was there"
    (told,) = [one.text for one in ran.of_type(e.Notice) if one.urgent]
    assert told.startswith("No machine of the cluster has cpus 3 (at most 1): tasks that need it wait until")


async def test_a_task_waits_for_a_machine_as_long_as_the_user_says(
    cluster: RayCluster, run_tasks: RunTasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "PATIENCE", 0.5)
    ran = await run_tasks(
        [{"id": "t", "dir": "work", "first_prompt": "Go.", "verify": "true", "cpus": 3}],
        [script("Go.", [])],
        open_workspaces=on(cluster),
        environ={"RAY_AUTH_MODE": "disabled"},
        node_wait="1",
    )
    assert (ran.task.status, ran.task.reason, ran.task.resumable) == ("error", "no_machine", True)
    assert (
        "No machine of the cluster has cpus 3 (at most 1), and none has come within 1 seconds."
        in ran.task.error
    )


async def test_a_machine_is_lost_while_a_task_is_set_up_there(
    cluster: RayCluster, run_tasks: RunTasks, tmp_path: Path
) -> None:
    """What the lines before have made was brought home: only the line that was lost with the machine is run again."""
    loses, goes_on = LosesMachine(cluster, "made.txt"), tmp_path / "goes_on"

    def on_event(event: Event, state: RunState) -> None:
        loses(event, state)
        if isinstance(event, e.TaskPlaced) and not event.waits and loses.killed:
            goes_on.touch()

    setup = [
        "mkdir -p node_modules; echo one >> node_modules/x",
        f"echo two >> made.txt; until [ -e {goes_on} ]; do sleep 0.1; done",
    ]
    ran = await run_tasks(
        [{
            "id": "t", "dir": "work", "first_prompt": "Go.", "verify": "grep -q three a.txt", "setup": setup,
            "setup_cache": {"key": "k", "paths": "made.txt"}, "teardown": "cat a.txt",
        }],
        [script("Go.", [bash("(cat node_modules/x made.txt; echo three) > a.txt")])],
        open_workspaces=on(cluster),
        on_event=on_event,
        environ={"RAY_AUTH_MODE": "disabled"},
        sandbox="none",  # the command looks at a file outside of its directory
    )  # fmt: skip
    await loses.over()
    assert ran.task.status == "completed", ran.task.error
    assert (tmp_path / "work/a.txt").read_text() == "one\ntwo\nthree\n"
    assert [(one.kind, one.exit_code) for one in ran.task.setup] == [
        ("setup", 0), ("setup", 0), ("teardown", 0),
    ]  # fmt: skip
    assert len(loses.killed) == 1
    assert any(
        "setup_cache is not used on the machines of a cluster" in one for one in ran.outcome.state.notices
    )
    assert ran.task.changed_files == 1
