"""Nothing secret goes to a node: neither its disk nor a process there has the key while a task is at work."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from agentbatch.runs import events as e
from agentbatch.runs.events import Event
from agentbatch.runs.state.run_state import RunState
from tests.cluster.work import Beside, answers, bash, machine_of, on, on_machine, script, write
from tests.support.keys import KEY
from tests.support.ray_cluster import RayCluster
from tests.support.waiting import until
from tests.tasks.run.conftest import RunTasks, run_tasks

__all__ = ["run_tasks"]

pytestmark = pytest.mark.slow


def holding(secret: str, folder: Path) -> list[str]:
    """Files below the folder, and processes of Ray's and of our hands, that hold it."""
    grep = ["grep", "-rlaF", "--", secret, str(folder)]
    found = subprocess.run(grep, capture_output=True, text=True, check=False).stdout.split()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
            known = (process / "environ").read_bytes()
        except OSError:
            continue
        of_cluster = b"ray" in words or b"agentbatch.cluster" in words or b"AGENTBATCH_COMMAND" in known
        if of_cluster and secret.encode() in known + words:
            found.append(words.decode(errors="replace"))
    return found


async def test_no_key_is_on_a_node(
    cluster: RayCluster, run_tasks: RunTasks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODER_API_KEY", KEY)
    (tmp_path / ".env").write_text(f"EVALUATION_API_KEY={KEY}\n")
    (tmp_path / "work").mkdir()
    (tmp_path / "work/.env").write_text(f"X={KEY}\n")
    looked: list[str] | None = None
    looks = Beside()
    nodes = cluster.folder.parent

    async def look(machine: str) -> None:
        nonlocal looked
        await until(lambda: on_machine(cluster, machine, "begun"))
        looked = await asyncio.to_thread(holding, KEY, nodes)
        assert await asyncio.to_thread(holding, "by the coder", nodes), "it finds what is there"
        on_machine(cluster, machine, "begun")[0].unlink()

    def on_event(event: Event, state: RunState) -> None:
        if isinstance(event, e.ToolCalled) and "begun" in event.summary:
            looks.begin(look(machine_of(state)))

    works = "touch begun; env; ls -A; cat .env; while [ -e begun ]; do sleep 0.1; done"
    steps = [write("a.txt", "by the coder\n"), bash(works)]
    ran = await run_tasks(
        [{"id": "t", "dir": "work", "first_prompt": "Go.", "verify": "true"}],
        [script("Go.", steps)],
        open_workspaces=on(cluster),
        on_event=on_event,
        environ={"RAY_AUTH_MODE": "disabled", "CODER_API_KEY": KEY},
    )
    await looks.over()
    assert ran.task.status == "completed", ran.task.error
    assert looked == []
    told = answers(ran)[-1]
    assert "HOME=" in told
    assert KEY not in told
    assert ".env: No such file" in told
    assert (tmp_path / "work/.env").read_text() == f"X={KEY}\n", "it is at home as it was"
