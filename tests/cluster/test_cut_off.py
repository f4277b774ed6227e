"""A machine that is cut off and comes back, a head that comes back, and one that does not."""

import asyncio
from pathlib import Path

import pytest

from agentbatch.runs import events as e
from agentbatch.runs.events import Event
from agentbatch.runs.session import Engine
from agentbatch.runs.state.run_state import RunState
from tests.cluster.work import Beside, answers, bash, machine_of, on, on_machine, script, write
from tests.support.ray_cluster import RayCluster
from tests.support.waiting import until
from tests.tasks.run.conftest import RunTasks, run_tasks

__all__ = ["run_tasks"]

pytestmark = pytest.mark.slow

WORKS_ON = "n=0; while true; do n=$((n+1)); echo $n > beats.txt; sleep 0.2; done"
WAITS = "touch waits; while [ -e waits ]; do sleep 0.1; done; ls"
WORKS_LONG = "touch begun; sleep 600"


async def test_what_a_machine_does_that_is_cut_off_never_comes_home(
    frail_cluster: RayCluster, run_tasks: RunTasks, tmp_path: Path
) -> None:
    cluster = frail_cluster
    doing = Beside()
    cut_off: list[str] = []
    worked_on: list[str] = []

    def beats(machine: str) -> str:
        found = on_machine(cluster, machine, "beats.txt")
        return found[0].read_text() if found else ""

    async def cut(machine: str) -> None:
        await until(lambda: beats(machine))
        cut_off.append(machine)
        await asyncio.to_thread(cluster.freeze, machine)

    async def come_back(machine: str, other: str) -> None:
        first = beats(machine)
        await until(lambda: beats(machine) != first)
        worked_on.append(beats(machine))
        await asyncio.to_thread(cluster.thaw, machine)
        # Ray there ends when it hears that it was given up; a machine that comes back is a new one.
        await until(lambda: not cluster.hands(machine))
        await until(lambda: on_machine(cluster, other, "waits"))
        on_machine(cluster, other, "waits")[0].unlink()

    def on_event(event: Event, state: RunState) -> None:
        if isinstance(event, e.ToolCalled) and "beats.txt" in event.summary and not cut_off:
            doing.begin(cut(machine_of(state)))
        if isinstance(event, e.ToolCalled) and "waits" in event.summary:
            doing.begin(come_back(cut_off[0], machine_of(state)))

    steps = [
        write("a.txt", "written\n"),
        bash(WORKS_ON),
        write("after.txt", "by another\n"),
        bash(WAITS),
    ]
    ran = await run_tasks(
        [{"id": "t", "dir": "work", "first_prompt": "Go.", "verify": "grep -q another after.txt"}],
        [script("Go.", steps)],
        open_workspaces=on(cluster),
        on_event=on_event,
        environ={"RAY_AUTH_MODE": "disabled"},
    )
    await doing.over()
    assert ran.task.status == "completed", ran.task.error
    _, lost, _, seen = answers(ran)
    assert lost.startswith("Interrupted, outcome unknown")
    assert worked_on, "the machine that was cut off went on with the command, beside the other one"
    assert "beats.txt" not in seen
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["a.txt", "after.txt"]
    assert len(ran.coder_requests()) == len(steps) + 1, "no call of the model is made twice"
    places = [one.place for one in ran.of_type(e.TaskPlaced) if one.place.startswith("node")]
    assert len(set(places)) == len(places) == 2
    await asyncio.to_thread(cluster.kill_machine, cut_off[0])
    await asyncio.to_thread(cluster.add_machine, cut_off[0])


async def kill_head(cluster: RayCluster, machine: str) -> None:
    """When the task is at work there."""
    await until(lambda: on_machine(cluster, machine, "begun"))
    await asyncio.to_thread(cluster.kill_head)


async def test_a_head_comes_back(frail_cluster: RayCluster, run_tasks: RunTasks, tmp_path: Path) -> None:
    cluster = frail_cluster
    doing = Beside()

    def on_event(event: Event, state: RunState) -> None:
        if isinstance(event, e.ToolCalled) and "begun" in event.summary:
            doing.begin(kill_head(cluster, machine_of(state)))
        if isinstance(event, e.Notice) and "does not answer any more" in event.text:
            doing.begin(asyncio.to_thread(cluster.begin_again))

    steps = [write("a.txt", "written\n"), bash(WORKS_LONG), bash("cat a.txt")]
    ran = await run_tasks(
        [{"id": "t", "dir": "work", "first_prompt": "Go.", "verify": "grep -q written a.txt"}],
        [script("Go.", steps)],
        open_workspaces=on(cluster),
        on_event=on_event,
        environ={name: value for name, value in cluster.environ.items() if name.startswith("RAY_")},
    )
    await doing.over()
    assert ran.task.status == "completed", ran.task.error
    told = [one for one in ran.of_type(e.Notice) if one.text.startswith("The ")]
    assert [one.text for one in told if not one.urgent] == [
        "The head of the cluster does not answer any more.",
        "The cluster is there again.",
    ]
    _, lost, after = answers(ran)
    assert lost.startswith("Interrupted, outcome unknown")
    assert "written" in after
    assert len(ran.coder_requests()) == len(steps) + 1


async def test_the_head_is_lost(frail_cluster: RayCluster, run_tasks: RunTasks, tmp_path: Path) -> None:
    cluster, engines = frail_cluster, list[Engine]()
    doing = Beside()

    def on_event(event: Event, state: RunState) -> None:
        if isinstance(event, e.ToolCalled) and "begun" in event.summary:
            doing.begin(kill_head(cluster, machine_of(state)))
        if isinstance(event, e.Notice) and "does not answer any more" in event.text:
            engines[0].signal()
            engines[0].signal()  # at once

    ran = await run_tasks(
        [{"id": "t", "dir": "work", "first_prompt": "Go.", "verify": "true"}],
        [script("Go.", [write("a.txt", "written\n"), bash(WORKS_LONG), bash("true")])],
        open_workspaces=on(cluster),
        on_event=on_event,
        on_start=engines.append,
        environ={name: value for name, value in cluster.environ.items() if name.startswith("RAY_")},
    )
    await doing.over()
    assert ran.outcome.exit_code == 130
    assert (ran.task.status, ran.task.resumable) == ("cancelled", True), ran.task.error
    assert (tmp_path / "work/a.txt").read_text() == "written\n"
