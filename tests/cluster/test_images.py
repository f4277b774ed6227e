"""Tasks with images of their own on machines of a cluster: their containers are made there."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agentbatch.runs import events as e
from agentbatch.runs.events import Event
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.store.store import Store
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.workspace.containers.command_lines import MARK_LABEL
from agentbatch.workspace.preparation import choose_here
from agentbatch.workspace.workspace import Workspaces
from tests.cluster.work import answers, bash, on, script, write
from tests.support.containers import image, podman
from tests.support.ray_cluster import RayCluster
from tests.support.waiting import wait_until
from tests.tasks.run.conftest import RunTasks, run_tasks

__all__ = ["run_tasks"]

pytestmark = pytest.mark.slow


def containers() -> dict[str, str]:
    """By their ids, the label with the run's mark; all on this machine, whoever has made them."""
    form = '{{.ID}} {{.Label "' + MARK_LABEL + '"}}'
    shown = podman().ask("ps", "--all", "--format", form, "--filter", f"label={MARK_LABEL}")
    return dict(line.partition(" ")[::2] for line in shown.output.splitlines())


def on_machines(cluster: RayCluster) -> Callable[[PreparedRun, Store], Workspaces]:
    """As `--cluster` prepares it: there is no engine here."""

    def opened(prepared: PreparedRun, store: Store) -> Workspaces:
        return on(cluster)(replace(prepared, sandbox=choose_here("auto"), engine=None, images={}), store)

    return opened


async def test_a_task_has_its_container_on_its_machine_and_another_after_that_is_lost(
    cluster: RayCluster, run_tasks: RunTasks, tmp_path: Path
) -> None:
    small = image(podman(), "small")
    before = containers()
    doing: set[asyncio.Task[None]] = set()
    seen: list[dict[str, str]] = []

    async def lose(machine: str) -> None:
        await asyncio.sleep(1.0)
        seen.append(await asyncio.to_thread(containers))
        await asyncio.to_thread(cluster.kill_machine, machine)
        await asyncio.to_thread(cluster.add_machine, machine)

    def on_event(event: Event, state: RunState) -> None:
        if isinstance(event, e.ToolCalled) and "sleep 9" in event.summary:
            doing.add(asyncio.ensure_future(lose(state.by_id["t"].place.removeprefix("node "))))

    steps = [
        write("a.txt", "written\n"),
        bash(
            "busybox | head -n 1; test -x /usr/bin/git || echo no git; echo made > made.txt; stat -c %u made.txt"
        ),
        bash("head -c 300m /dev/zero | tail -c 300m | wc -c; echo ended $?"),
        bash("sleep 9"),
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
        on_event=on_event,
        environ={"RAY_AUTH_MODE": "disabled"},
        image=small,
        no_network="1",
    )
    await asyncio.gather(*doing)
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
    assert len(seen[0].keys() - before.keys()) == 1
    await asyncio.to_thread(wait_until, lambda: not containers().keys() - before.keys())
    assert cluster.left() == []
