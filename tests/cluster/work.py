"""What tests of a cluster let coders do there."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.runs import events as e
from agentbatch.runs.events import Event
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.store.store import Store
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.tasks.run.workspaces.cluster import cluster_workspaces
from agentbatch.workspace.workspace import Workspaces
from tests.support.ray_cluster import RayCluster
from tests.support.waiting import until
from tests.tasks.run.conftest import Ran
from tests.tasks.run.verdicts import COMPLETE

FINISH = Say(calls=[ScriptedCall(name="finish", arguments={"summary": "Done."})])


def bash(command: str) -> Say:
    return Say(calls=[ScriptedCall(name="bash", arguments={"command": command, "timeout": 600})])


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


def on_machine(cluster: RayCluster, machine: str, file: str) -> list[Path]:
    """Where the task `t` has a file in its directory on that machine; empty: it has none."""
    return list((cluster.folder / machine).glob(f"agentbatch-*/*/tasks/t/root/*/{file}"))


def machine_of(state: RunState) -> str:
    """On which the task `t` is."""
    return state.by_id["t"].place.removeprefix("node ")


class Beside:
    """What a test does beside a run, as its events begin it."""

    def __init__(self) -> None:
        self._doing: list[asyncio.Task[None]] = []

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._doing.append(asyncio.ensure_future(work))

    async def over(self) -> None:
        """All of it is done. Raises what it has raised."""
        await asyncio.gather(*self._doing)


class LosesMachine(Beside):
    """Kills the machine that the task `t` is on, when a command there that a call or a check has begun has made `file`;
    another takes its place then."""

    def __init__(self, cluster: RayCluster, file: str, times: int = 1) -> None:
        super().__init__()
        self._cluster = cluster
        self.file = file
        self._left = times
        self.killed: list[str] = []

    def __call__(self, event: Event, state: RunState) -> None:
        if isinstance(event, e.ToolCalled | e.CheckStarted) and self.file in str(event) and self._left:
            self._left -= 1
            self.begin(self.lose(machine_of(state)))

    async def lose(self, machine: str) -> None:
        await until(lambda: on_machine(self._cluster, machine, self.file), f"no {self.file} on {machine}")
        self.killed.append(machine)
        await asyncio.to_thread(self._cluster.kill_machine, machine)
        await asyncio.to_thread(self._cluster.add_machine, machine)
