"""What tests of a cluster let coders do there."""

from collections.abc import Callable, Sequence
from pathlib import Path

from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.runs.store.store import Store
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.tasks.run.workspaces.cluster import cluster_workspaces
from agentbatch.workspace.workspace import Workspaces
from tests.support.ray_cluster import RayCluster
from tests.tasks.run.conftest import Ran
from tests.tasks.run.verdicts import COMPLETE

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


def on_machine(cluster: RayCluster, machine: str, file: str) -> list[Path]:
    """Where the task `t` has a file in its directory on that machine; empty: it has none."""
    return list((cluster.folder / machine).glob(f"agentbatch-*/*/tasks/t/root/*/{file}"))
