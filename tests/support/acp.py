"""An AcpCoder over a process of the fake agent (fake_acp_agent.py), without an engine."""

import json
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from agentbatch.runs import events as e
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.coders.acp.coder import AcpCoder
from agentbatch.tasks.coders.catalog.entry import CoderEntry
from agentbatch.tasks.coders.coder import Assignment, CoderState
from agentbatch.tasks.coders.external.access import Access, OwnAccess
from agentbatch.tasks.coders.external.limits import TurnLimits
from agentbatch.tasks.coders.external.parts import ExternalParts
from agentbatch.tasks.spec.make_plan import make_plan
from agentbatch.tasks.spec.task import Task
from agentbatch.workspace.workspace import Workspace
from tests.support.paths import CHECKOUT
from tests.support.workspaces import local_workspace

AGENT = CHECKOUT / "tests" / "support" / "fake_acp_agent.py"


@dataclass
class AcpStage:
    """What one such coder works with."""

    coder: AcpCoder
    directory: Path
    home: Path
    events: list[e.Event]

    def of(self, kind: type[e.Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def heard(self) -> list[dict[str, Any]]:
        """What the agent was asked, in order."""
        file = self.home / "heard.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def lives(pid: int) -> bool:
    """Whether there is such a process; one that only waits to be reaped is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Claimed:
    """A workspace that says it has that sandbox."""

    def __init__(self, workspace: Workspace, sandbox: str) -> None:
        self._workspace = workspace
        self.info = replace(workspace.info, sandbox=sandbox)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._workspace, name)


def fake_entry(script: Path, **more: Any) -> CoderEntry:
    command = (sys.executable, "-I", "-S", str(AGENT), str(script))
    return CoderEntry.model_validate({"name": "fake", "protocol": "acp", "command": command, **more})


@asynccontextmanager
async def acp_stage(
    tmp_path: Path,
    *turns: Sequence[dict[str, Any]],
    script: dict[str, Any] | None = None,
    entry: dict[str, Any] | None = None,
    limits: dict[str, Any] | None = None,
    state: CoderState | None = None,
    sandbox: str = "bubblewrap",
    redact: Callable[[str], str] = str,
    changes: str = "",
    access: Access | None = None,
) -> AsyncIterator[AcpStage]:
    """`sandbox`: what the workspace says; there is none here."""
    directory, file = tmp_path / "work", tmp_path / "script.json"
    directory.mkdir(exist_ok=True)
    workspace = Claimed(local_workspace(directory, tmp_path / "outputs"), sandbox)
    file.write_text(json.dumps({"turns": turns, **(script or {})}))
    events: list[e.Event] = []

    async def stored() -> None:
        pass

    async def changed() -> str:
        return changes

    parts = ExternalParts(
        entry=fake_entry(file, **(entry or {})),
        model="m",
        emit=events.append,
        stored=stored,
        redact=redact,
        render=Prompts(tmp_path, (), ()).render,
        access=lambda planned, model: access or OwnAccess(model),
    )
    task = make_plan([Task(first_prompt="Do it.")], tmp_path / "task.json", max_iterations=9).tasks[0]
    assignment = Assignment(
        task=replace(task, root=directory),
        workspace=cast(Workspace, workspace),
        has_checks=True,
        state=state,
        changes=changed,
    )
    coder = AcpCoder(parts, assignment, replace(TurnLimits(start=20.0), **(limits or {})))
    try:
        yield AcpStage(coder, directory, Path(workspace.info.homes) / "fake", events)
    finally:
        await coder.close()
        await workspace.close()


def update(**fields: Any) -> dict[str, Any]:
    return {"update": fields}
