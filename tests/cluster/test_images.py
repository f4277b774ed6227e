"""Tasks with images of their own on machines of a cluster: their containers are made there."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentbatch.cluster.node.folder import LOCAL
from agentbatch.runs.store.store import Store
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.tasks.run.steering import Steering
from agentbatch.workspace.preparation import choose_here
from agentbatch.workspace.workspace import Workspaces
from tests.cluster.work import LosesMachine, answers, bash, on, on_machine, script, write
from tests.support.containers import containers_of, image, podman
from tests.support.ray_cluster import MACHINES, RayCluster
from tests.support.waiting import until, wait_until
from tests.tasks.run.conftest import RunTasks, run_tasks

__all__ = ["run_tasks"]

pytestmark = pytest.mark.slow


def on_machines(cluster: RayCluster) -> Callable[[PreparedRun, Store], Workspaces]:
    """As `--cluster` prepares it: there is no engine here."""

    def opened(prepared: PreparedRun, store: Store) -> Workspaces:
        return on(cluster)(replace(prepared, sandbox=choose_here("auto"), engine=None, images={}), store)

    return opened


async def test_a_task_has_its_container_on_its_machine_and_another_after_that_is_lost(
    cluster: RayCluster, run_tasks: RunTasks, tmp_path: Path
) -> None:
    small = image(podman(), "small")
    engines: list[Any] = []
    seen = dict[Path, list[str]]()

    class Loses(LosesMachine):
        async def lose(self, machine: str) -> None:
            await until(lambda: on_machine(cluster, machine, self.file))
            tasks = on_machine(cluster, machine, self.file)[0].parents[2] / LOCAL
            seen[tasks] = await asyncio.to_thread(containers_of, tasks)
            Steering(engines[0]).pause("t")
            await super().lose(machine)
            Steering(engines[0]).unpause("t")  # at its end the run clears what is on machines that are there

    loses = Loses(cluster, "last.txt")

    steps = [
        write("a.txt", "written\n"),
        bash(
            "busybox | head -n 1; test -x /usr/bin/git || echo no git; echo made > made.txt; stat -c %u made.txt"
        ),
        bash("head -c 300m /dev/zero | tail -c 300m | wc -c; echo ended $?"),
        bash("touch last.txt; sleep 600"),
        bash("cat a.txt made.txt"),
    ]
    ran = await run_tasks(
        [
            {
                "id": "t",
                "dir": "work",
                "first_prompt": "Go.",
                "verify": "busybox grep -q written a.txt",
                "memory": "100m",
            }
        ],
        [script("Go.", steps)],
        open_workspaces=on_machines(cluster),
        on_event=loses,
        on_start=engines.append,
        environ={"RAY_AUTH_MODE": "disabled"},
        image=small,
        no_network="1",
    )
    await loses.over()
    assert ran.task.status == "completed", ran.task.error
    _, inside, large, lost, after = answers(ran)
    assert "BusyBox" in inside
    assert "no git" in inside, "it is the image's, not the machine's"
    assert str(os.getuid()) in inside.splitlines()
    assert "314572800" not in large, "the task's memory is held"
    assert lost.startswith("Interrupted, outcome unknown")
    assert "written" in after
    assert "made" in after
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["a.txt", "made.txt"]
    ((first, there),) = seen.items()
    assert len(there) == 1
    places = [Path(str(first).replace(loses.killed[0], machine)) for machine in MACHINES]
    await asyncio.to_thread(wait_until, lambda: not any(map(containers_of, places)))
    assert cluster.left() == []
